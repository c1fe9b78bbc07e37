"""JSON that does not fit a struct: what can be converted is, what cannot is absent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock import lenient


class Leaf(msgspec.Struct):
    text: str | None = None
    number: int | None = None
    fraction: float = 0.0
    mark: bool | None = None


class Tree(msgspec.Struct):
    leaf: Leaf | None = None
    leaves: list[Leaf] | None = None
    words: str | list[str | Leaf] | Leaf | None = None
    anything: Any = None
    raw: msgspec.Raw = msgspec.Raw()
    renamed: int = msgspec.field(default=0, name="other")


class Strict(msgspec.Struct):
    needed: int


CASES: dict[str, tuple[bytes, Tree]] = {
    "what fits": (b'{"leaf": {"text": "a", "number": 1}, "other": 2}', Tree(leaf=Leaf("a", 1), renamed=2)),
    "numbers for texts": (b'{"leaf": {"text": 7}}', Tree(leaf=Leaf("7"))),
    "texts for numbers": (b'{"leaf": {"number": "7", "fraction": " 0.5 "}}', Tree(leaf=Leaf(number=7, fraction=0.5))),
    "fractions for numbers": (b'{"leaf": {"number": 7.9}, "other": "2.5"}', Tree(leaf=Leaf(number=7), renamed=2)),
    "truth values": (b'{"leaf": {"text": true, "number": false, "mark": true}}', Tree(leaf=Leaf(mark=True))),
    "no truth values": (b'{"leaf": {"mark": "yes"}}', Tree(leaf=Leaf())),
    "nulls": (b'{"leaf": null, "leaves": null, "other": null}', Tree()),
    "an object for a list": (b'{"leaves": {"text": "a"}}', Tree(leaves=[Leaf("a")])),
    "entries that do not fit": (b'{"leaves": [5, {"text": "a"}, null]}', Tree(leaves=[Leaf("a")])),
    "a list for an object": (b'{"leaf": []}', Tree()),
    "a text for a list": (b'{"leaves": "a"}', Tree()),
    "one of several types": (b'{"words": {"text": 5}}', Tree(words=Leaf("5"))),
    "a list of several types": (b'{"words": ["a", {"text": 5}, [], 6]}', Tree(words=["a", Leaf("5"), "6"])),
    "anything": (b'{"anything": [1, {"a": null}]}', Tree(anything=[1, {"a": None}])),
    "undecoded": (b'{"raw": {"a": 1.5}}', Tree(raw=msgspec.Raw(b'{"a":1.5}'))),
    "no number": (b'{"leaf": {"number": NaN, "fraction": Infinity}}', Tree(leaf=Leaf())),
    "too great a number": (b'{"leaf": {"number": 1e999, "text": "a"}}', Tree(leaf=Leaf("a"))),
    "more digits than a number has": (
        b'{"leaf": {"number": ' + b"9" * 5_000 + b'}, "anything": ' + b"9" * 300 + b"}",
        Tree(leaf=Leaf(), anything=1e300),
    ),
    "control characters": (b'{"leaf": {"text": "a\n\tb"}}', Tree(leaf=Leaf("a\n\tb"))),
    "half a character": (rb'{"leaf": {"text": "\ud83d"}}', Tree(leaf=Leaf("\ufffd"))),
    "bytes that are no UTF-8": (b'{"leaf": {"text": "\xff"}}', Tree(leaf=Leaf("\ufffd"))),
    "unknown keys": (b'{"stranger": 1}', Tree()),
}


@pytest.mark.parametrize(("data", "tree"), CASES.values(), ids=CASES)
def test_what_can_be_converted_is(data: bytes, tree: Tree) -> None:
    assert lenient.fit(lenient.loads(data), Tree) == tree


BAD = [b"", b"{", b"nope", b"[" * 100_000, b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, b'{"a": 1} 2']


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
def test_what_is_no_json_is_a_mistake(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        lenient.loads(data)


def test_what_must_be_there_must_be() -> None:
    assert lenient.fit({"needed": "5"}, Strict) == Strict(5)
    with pytest.raises(ValueError, match="Strict"):
        lenient.fit({"needed": []}, Strict)
