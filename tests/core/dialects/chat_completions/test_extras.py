"""What an upstream wants back: gathered from pieces as it was, and put where it was."""

import json
from typing import Any

import pytest

from core.kit import plan
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.dialects.chat_completions.extras import join, join_blocks
from penstock.dialects.chat_completions.pack_extras import pack_extras
from penstock.errors import ApiError
from penstock.limits import Limits
from requirements import shows
from support.growth import check_growth

JOINED: dict[str, tuple[list[Any], Any]] = {
    "one piece": (["a"], "a"),
    "pieces of a text": (["a", "b"], "ab"),
    "a text that is said again": (["ab", "ab", "ab"], "ab"),
    "a text that comes once more as a whole": (["a", "b", "ab"], "ab"),
    "an object key by key": ([{"g": {"a": 1}}, {"g": {"b": "x"}}], {"g": {"a": 1, "b": "x"}}),
    "a text within an object": ([{"g": {"s": "a"}}, {"g": {"s": "b"}}], {"g": {"s": "ab"}}),
    "null and a value": ([{"s": None}, {"s": "a"}, {"s": None}], {"s": "a"}),
    "entries of a list": ([[1], [2, 3]], [1, 2, 3]),
    "a list that comes once more": ([[1], [2], [1, 2]], [1, 2]),
    "numbers": ([1, 2], 2),
    "of two kinds": (["a", {"b": 1}], {"b": 1}),
    "nothing": ([None, None], None),
}


@shows("returned-fields")
@pytest.mark.parametrize(("values", "whole"), JOINED.values(), ids=JOINED)
def test_pieces_of_a_field_are_joined(values: list[Any], whole: Any) -> None:
    assert join(values) == whole


def text(value: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", **({} if value is None else {"text": value}), "index": index, **more}


SUMMARY: dict[str, Any] = {"type": "reasoning.summary", "summary": "s", "index": 0}
SEALED: dict[str, Any] = {"type": "reasoning.encrypted", "data": "x", "id": "call_0", "index": 0}

BLOCKS: dict[str, tuple[list[Any], list[Any]]] = {
    "a text and its signature": (
        [[text("a", format="f")], [text("b")], [text(signature="s")]],
        [text("ab", format="f", signature="s")],
    ),
    "a signature that was null": ([[text("a", signature=None)], [text("", signature="s")]], [text("a", signature="s")]),
    "a block behind a signed one": (
        [[text("a", signature="s")], [text("b")], [text(signature="t")]],
        [text("a", signature="s"), text("b", signature="t")],
    ),
    "blocks by index": ([[text("a")], [text("b", 1)]], [text("a"), text("b", 1)]),
    "of other types": ([[SUMMARY], [SUMMARY], [SEALED]], [SUMMARY | {"summary": "ss"}, SEALED]),
    "sealed ones, all alike": ([[SEALED], [SEALED], [text("a")]], [SEALED, SEALED, text("a")]),
    "several at once": ([[text("a"), SEALED], [text("b")]], [text("a"), SEALED, text("b")]),
    "once more as a whole": ([[text("a")], [text("b")], [text("ab")]], [text("ab")]),
    "the same piece twice": ([[text("a")], [text("a")], [text("b")]], [text("aab")]),
    "no object": ([["a"], ["b"]], ["a", "b"]),
    "Anthropic's": (
        [[{"type": "thinking", "thinking": "a"}], [{"type": "thinking", "thinking": "b", "signature": "s"}]],
        [{"type": "thinking", "thinking": "ab", "signature": "s"}],
    ),
}


@shows("returned-fields")
@pytest.mark.parametrize(("values", "whole"), BLOCKS.values(), ids=BLOCKS)
def test_blocks_of_thoughts_are_whole_and_in_order(values: list[Any], whole: list[Any]) -> None:
    assert join_blocks(values) == whole


@shows("linear-work")
def test_objects_with_many_different_keys_are_joined_in_proportion() -> None:
    check_growth(lambda size: join([{f"k{number}": number} for number in range(size)]), 3_000)


def test_objects_are_joined_no_deeper_than_they_need_be() -> None:
    deep: Any = "a"
    for _ in range(500):
        deep = {"a": deep}
    assert join([deep, {"a": 1}, deep]) == deep


@shows("returned-fields")
@pytest.mark.parametrize("limit", [100, 5_000])
def test_there_is_an_end_of_what_may_be_returned(limit: int) -> None:
    decoder = ChatCompletions(Options(), Limits(returned_bytes_max=limit)).decoder(plan().turn)
    piece = json.dumps({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "signature": "x" * 30}]}}]})
    with pytest.raises(ApiError, match=f"more than {limit} bytes of fields"):
        for _ in range(limit):
            decoder.feed(f"data: {piece}\n\n".encode())


ODD = [
    b"[]",
    b'{"choices": 1}',
    b'{"choices": [1]}',
    b'{"choices": [{"delta": 1, "message": null}]}',
    b'{"choices": [{"delta": {"tool_calls": [1, null], "x": 1}}]}',
    b'{"choices": [{"delta": {"tool_calls": [{"function": "f"}], "function_call": []}}]}',
    b'{"choices": [{"delta": {"x": "\xff"}}]}',
    b'{"choices": [{"delta": ' + b'{"x": ' * 5_000,
]


@pytest.mark.parametrize("data", ODD)
def test_what_has_another_form_is_packed_as_it_is(data: bytes) -> None:
    """It is read as anything else that is odd."""
    assert isinstance(pack_extras(data), bytes)


def test_packing_leaves_nothing_else_out() -> None:
    reply = {"id": "c", "choices": [{"delta": {"content": "a", "x": 1}, "finish_reason": None}], "usage": {"a": 1.50}}
    found = json.loads(pack_extras(json.dumps(reply).encode()))
    assert found == reply | {"choices": [{"delta": {"content": "a", "$extras": {"x": 1}}, "finish_reason": None}]}
