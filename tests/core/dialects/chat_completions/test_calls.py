"""Which pieces belong to which call, where index and id do not show it."""

from __future__ import annotations

from typing import Any

import pytest

from core.dialects.chat_completions.decoded import bytewise, call, calling, choice, decode, piece, stream, whole
from core.kit import Json
from penstock.dialects.chat_completions.decode import ChatDecoder
from penstock.transcript.deltas import Delta, ToolCallDelta
from requirements import shows

PARIS, OSLO = '{"city": "Paris"}', '{"city": "Oslo"}'


def calls_in(deltas: list[Delta]) -> list[tuple[str | None, str | None, str]]:
    """Id, name and arguments of each call; the first id and the first name hold, as in the reducer."""
    calls: dict[int, list[ToolCallDelta]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            calls.setdefault(delta.index, []).append(delta)
    return [
        (
            next((delta.call_id for delta in pieces if delta.call_id), None),
            next((delta.name for delta in pieces if delta.name), None),
            "".join(delta.arguments for delta in pieces),
        )
        for pieces in calls.values()
    ]


def at(index: Any, arguments: Any, name: Any = None, call_id: Any = None) -> Json:
    return piece(arguments, name, index=index, id=call_id)


APART: dict[str, tuple[list[Json], list[Any]]] = {
    "whole calls at one index, one after the other": (
        [calling(at(0, PARIS, "f")), calling(at(0, OSLO, "f"))],
        [(None, "f", PARIS), (None, "f", OSLO)],
    ),
    "whole calls at one index, in one chunk": (
        [calling(at(0, PARIS, "f"), at(0, OSLO, "g"), at(0, "[]", "g"))],
        [(None, "f", PARIS), (None, "g", OSLO), (None, "g", "[]")],
    ),
    "calls in pieces at one index": (
        [calling(at(0, each, name)) for name, each in (("f", ""), (None, '{"a"'), (None, ":1}"), ("f", "{}"))],
        [(None, "f", '{"a":1}'), (None, "f", "{}")],
    ),
    "the name first and the arguments after it, twice": (
        [calling(at(0, each, name)) for name, each in (("f", ""), (None, '{"a":1}'), ("f", ""), (None, '{"a":2}'))],
        [(None, "f", '{"a":1}'), (None, "f", '{"a":2}')],
    ),
    "the name in every piece, twice": (
        [calling(at(0, each, "f")) for each in ("", '{"a"', ":1}", "", '{"a"', ":2}")],
        [(None, "f", '{"a":1}'), (None, "f", '{"a":2}')],
    ),
    "another name before any arguments": (
        [calling(at(0, "", "f")), calling(at(0, "", "g"))],
        [(None, "f", ""), (None, "g", "")],
    ),
    "arguments as objects": (
        [calling(at(0, {"a": 1}, "f")), calling(at(0, {"a": 2}, "f"))],
        [(None, "f", '{"a":1}'), (None, "f", '{"a":2}')],
    ),
    "other ids with names": (
        [calling(at(0, "", "f", "c")), calling(at(0, "{}", "f", "d"))],
        [("c", "f", ""), ("d", "f", "{}")],
    ),
    "without an index, the id says it": (
        [
            calling(piece('{"a"', "f", id="c"), piece('{"b"', "f", id="d")),
            calling(piece(":1}", id="c"), piece(":2}", id="d")),
        ],
        [("c", "f", '{"a":1}'), ("d", "f", '{"b":2}')],
    ),
    "the same id at another index, with other arguments": (
        [calling(at(0, '{"a":1}', "f", "c")), calling(at(1, '{"a":2}', "f", "c"))],
        [("c", "f", '{"a":1}'), ("c", "f", '{"a":2}')],
    ),
}

APART |= {
    "the id says it, where they share an index": (
        [
            calling(at(0, '{"a"', "f", "c"), at(0, '{"b"', "g", "d")),
            calling(at(0, ":1}", None, "c"), at(0, ":2}", None, "d")),
        ],
        [("c", "f", '{"a":1}'), ("d", "g", '{"b":2}')],
    ),
    "an index in the first piece alone": (
        [
            calling(at(0, '{"a"', "f", "c")),
            calling(piece(":1}")),
            calling(at(1, '{"b"', "g", "d")),
            calling(piece(":2}")),
        ],
        [("c", "f", '{"a":1}'), ("d", "g", '{"b":2}')],
    ),
}

TOGETHER: dict[str, tuple[list[Json], list[Any]]] = {
    "the name in every piece": (
        [calling(at(0, each, "f", call_id)) for each, call_id in (("", "c"), ('{"a"', None), (":1}", None))],
        [("c", "f", '{"a":1}')],
    ),
    "id and name in every piece": (
        [calling(at(0, each, "f", "c")) for each in ("", '{"a"', ":1}", "")],
        [("c", "f", '{"a":1}')],
    ),
    "the name once more at the end": (
        [calling(at(0, "{}", "f")), calling(at(0, "", "f"))],
        [(None, "f", "{}")],
    ),
    "another id without a name": (
        [calling(at(0, '{"a"', "f", "c")), calling(at(0, ":1}", None, "d")), calling(at(0, "", None, "e"))],
        [("c", "f", '{"a":1}')],
    ),
    "another id and the same name amid the arguments": (
        [calling(at(0, '{"a"', "f", "c")), calling(at(0, ":1}", "f", "d"))],
        [("c", "f", '{"a":1}')],
    ),
    "white space behind whole arguments": (
        [calling(at(0, "{}", "f", "c")), calling(at(0, "\n "))],
        [("c", "f", "{}\n ")],
    ),
    "marks within a text": (
        [calling(at(0, each, "f")) for each in ('{"a": "}', '\\"} {', "\\", '\\"', ", [1, {}", "]}")],
        [(None, "f", '{"a": "}\\"} {\\\\", [1, {}]}')],
    ),
    "a number that goes on": ([calling(at(0, "1", "f")), calling(at(0, "2", "f"))], [(None, "f", "12")]),
    "the whole call once more": (
        [calling(at(0, '{"a":', "f", "c")), calling(at(0, "1}")), calling(at(0, '{"a":1}', "f", "c"))],
        [("c", "f", '{"a":1}')],
    ),
    "the same id at another index": (
        [calling(at(0, "", "f", "c")), calling(at(1, '{"a"', "f", "c")), calling(at(1, ":1}"))],
        [("c", "f", '{"a":1}')],
    ),
    "an index that comes later": (
        [calling(piece("", "f", id="c")), calling(at(0, "{}"))],
        [("c", "f", "{}")],
    ),
    "ids and names that are numbers, indexes that are texts": (
        [calling(at("0", '{"a"', 5, 7)), calling(at("0", ":1}", None, 7)), calling(at(0.0, " "))],
        [("7", "5", '{"a":1} ')],
    ),
    "nulls and empty texts": (
        [calling(at(0, None, "f", "")), calling(at(0, "{}", "", None)), calling({"index": 0, "function": None})],
        [(None, "f", "{}")],
    ),
    "one call that is no list": ([choice({"tool_calls": at(0, "{}", "f", "c")})], [("c", "f", "{}")]),
    "a call with nothing in it before one": (
        [calling(at(0, "", ""), {}), calling(at(0, "{}", "f"))],
        [(None, "f", "{}")],
    ),
    "a call with nothing in it after one": (
        [calling(at(0, "{}", "f", "c")), calling(at(1, "", "", "")), calling({"index": 2})],
        [("c", "f", "{}")],
    ),
    "a name with what a template has around it": (
        [calling(at(0, "{}", " functions.f<|channel|>commentary", "c"))],
        [("c", "f", "{}")],
    ),
    "arguments by another name": (
        [calling({"index": 0, "id": "c", "function": {"name": "f", "parameters": {"a": 1}}})],
        [("c", "f", '{"a":1}')],
    ),
    "an input": ([calling({"index": 0, "id": "c", "name": "f", "input": {"a": 1}})], [("c", "f", '{"a":1}')]),
    "name and arguments flat in it": (
        [calling({"id": "c", "name": "f", "arguments": {"a": 1}})],
        [("c", "f", '{"a":1}')],
    ),
}


@shows("odd-calls", "odd-names")
@pytest.mark.parametrize(("chunks", "calls"), [*APART.values(), *TOGETHER.values()], ids=[*APART, *TOGETHER])
def test_pieces_find_their_call(chunks: list[Json], calls: list[Any]) -> None:
    body = stream(*chunks, choice({}, "tool_calls"))
    assert calls_in(decode(body)) == calls
    assert decode(*bytewise(body)) == decode(body)


WHOLE: dict[str, tuple[list[Json], list[Any]]] = {
    "one index": ([at(0, PARIS, "f"), at(0, OSLO, "f")], [(None, "f", PARIS), (None, "f", OSLO)]),
    "no arguments": ([piece("", "f"), piece(None, "f")], [(None, "f", ""), (None, "f", "")]),
    "nothing": ([{}, piece("", "")], []),
    "one id": ([at(0, "{}", "f", "c"), at(0, "{}", "f", "c")], [("c", "f", "{}"), ("c", "f", "{}")]),
    "numbers": ([at("0", {}, 5, 7)], [("7", "5", "{}")]),
    "Kimi's names": (
        [at(0, "{}", "functions.f:0", "c"), at(1, "{}", "f:12", "d")],
        [("c", "f", "{}"), ("d", "f", "{}")],
    ),
    "Gemini's names": (
        [at(0, "{}", "default_api.f", "c"), at(1, "{}", "default_api:f", "d")],
        [("c", "f", "{}"), ("d", "f", "{}")],
    ),
    "a name with a colon": ([at(0, "{}", "a:f", "c")], [("c", "a:f", "{}")]),
    "args": ([{"id": "c", "function": {"name": "f", "args": {"a": 1}}}], [("c", "f", '{"a":1}')]),
    "args without a function": ([{"id": "c", "name": "f", "args": {"a": 1}}], [("c", "f", '{"a":1}')]),
}


@shows("odd-calls", "odd-names")
@pytest.mark.parametrize(("calls", "result"), WHOLE.values(), ids=WHOLE)
def test_each_call_of_a_whole_message_is_one(calls: list[Json], result: list[Any]) -> None:
    assert calls_in(decode(whole({"tool_calls": calls}, "tool_calls"))) == result


def test_a_name_in_every_piece_costs_no_more_than_the_pieces() -> None:
    """Looking at all arguments again for each piece would take longer than any test may."""
    piece = calling(at(0, '"}' * 2, "f"))
    body = stream(calling(at(0, "{", "f")), *[piece] * 20_000, choice({}, "stop"))
    decoder = ChatDecoder(inline_think=False, event_bytes_max=10_000)
    deltas = [delta for line in body.split(b"\n\n") for delta in decoder.feed(line + b"\n\n")]
    assert len(deltas) == 20_001


def test_a_name_that_comes_late_is_the_calls() -> None:
    body = stream(calling(at(0, '{"a"', None, "c")), calling(at(0, ":1}", "f")), choice({}, "tool_calls"))
    assert decode(body)[:2] == [call(0, '{"a"', None, "c"), call(0, ":1}", "f")]
