"""Upstreams that want something back: what they send, and what they refuse the next turn without.

Pure data, and checks of requests. The names are the providers' that are known to do so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.scripts import OSLO, PARIS, USAGE, chunk, turn
from support.steps import Json, Reply, Step

Check = Callable[[Json], str | None]


def called(*fields: Json, index: int | None = 0, call_id: str = "call_0", arguments: str = PARIS) -> list[Json]:
    """The chunks of a call: the first one names it, and each has some more fields."""
    names = {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    pieces = [names | fields[0], *fields[1:]]
    return [chunk({"tool_calls": [piece if index is None else {"index": index} | piece]}) for piece in pieces]


def signed(signature: str, provider: str = "google") -> Json:
    return {"extra_content": {provider: {"thought_signature": signature}}}


def _assistant_messages(body: Json) -> list[Json]:
    return [message for message in body["messages"] if message["role"] == "assistant"]


def wants(**expected: Any) -> Check:
    """Each message of the assistant must have these fields; those of its calls stand in `calls`."""

    def check(body: Json) -> str | None:
        for message in _assistant_messages(body):
            for name, value in expected.items():
                found = message.get(name) if name != "calls" else [_beside(one) for one in message["tool_calls"]]
                if found != value:
                    return f"{name} is missing: {found!r} is not {value!r}"
        return None

    return check


def _beside(call: Json) -> Json:
    """A call without what every call has; within its function likewise."""
    function = {name: value for name, value in call["function"].items() if name not in ("name", "arguments")}
    beside = {name: value for name, value in call.items() if name not in ("type", "function")}
    return beside | ({"function": function} if function else {})


@dataclass(frozen=True)
class Wanting:
    """What a model answers in every turn, in a stream or at once, and what it wants back with it."""

    text: list[Json] | Json
    check: Check

    @property
    def steps(self) -> tuple[Step, ...]:
        if isinstance(self.text, list):
            return turn(self.text, "tool_calls")
        choice = {"index": 0, "message": self.text, "finish_reason": "tool_calls"}
        return (Reply(200, {"id": "c", "object": "chat.completion", "choices": [choice], "usage": USAGE}),)


TEXT: Json = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
SUMMARY: Json = {"type": "reasoning.summary", "index": 0}
SEALED: Json = {"type": "reasoning.encrypted", "data": "gAAA", "id": "call_0", "format": "google-gemini-v1", "index": 1}
FIRST: Json = {"id": "call_0"}
CALL: Json = FIRST | {"type": "function", "function": {"name": "get_weather", "arguments": PARIS}}


def thinks(*details: Json, **more: Any) -> Json:
    return chunk({"reasoning_details": list(details), **more})


SUMMED: list[Json] = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm", "signature": "s"}]},
    {"type": "text", "text": "So"},
]

WANTING: dict[str, Wanting] = {
    "gemini": Wanting(
        called(signed("s1"), index=None),
        wants(calls=[FIRST | signed("s1")]),
    ),
    "gemini, the first of two": Wanting(
        [*called(signed("s1"), index=None), *called({}, index=None, call_id="call_1", arguments=OSLO)],
        wants(calls=[FIRST | signed("s1"), {"id": "call_1"}]),
    ),
    "both of one id": Wanting(
        [*called(signed("s1")), *called(signed("s2"), index=1, arguments=OSLO)],
        wants(calls=[FIRST | signed("s1"), FIRST | signed("s2")]),
    ),
    "vertex, in a chunk of its own": Wanting(
        called({}, signed("s1", "vertex")),
        wants(calls=[FIRST | signed("s1", "vertex")]),
    ),
    "behind the next call": Wanting(
        [
            *called({}),
            *called({}, index=1, call_id="call_1", arguments=OSLO),
            chunk({"tool_calls": [{"index": 0, **signed("s1")}]}),
        ],
        wants(calls=[FIRST | signed("s1"), {"id": "call_1"}]),
    ),
    "in pieces": Wanting(
        called({"signature": "a"}, {"signature": "b"}, {"thought_signature": "c", "signature": None}),
        wants(calls=[FIRST | {"signature": "ab", "thought_signature": "c"}]),
    ),
    "in the function": Wanting(
        called({"function": {"name": "get_weather", "arguments": PARIS, "thought_signature": "s", "more": [1, 1.50]}}),
        wants(calls=[FIRST | {"function": {"thought_signature": "s", "more": [1, 1.5]}}]),
    ),
    "with the message": Wanting(
        [chunk({"content": "So", "provider_specific_fields": {"a": [1]}}), *called({}), chunk({"extra_content": 7})],
        wants(provider_specific_fields={"a": [1]}, extra_content=7, content="So"),
    ),
    "openrouter": Wanting(
        [
            thinks(TEXT | {"text": "Let "}, reasoning="Let "),
            thinks(TEXT | {"text": "me."}, reasoning="me."),
            thinks(TEXT | {"signature": "s1"}),
            chunk({"content": "So"}),
            thinks(SEALED, tool_calls=called({})[0]["choices"][0]["delta"]["tool_calls"]),
        ],
        wants(reasoning_details=[TEXT | {"text": "Let me.", "signature": "s1"}, SEALED], content="So", calls=[FIRST]),
    ),
    "openrouter, summed up": Wanting(
        [*(thinks(SUMMARY | {"summary": piece}) for piece in ("One ", "two")), thinks(SEALED, SEALED), *called({})],
        wants(reasoning_details=[SUMMARY | {"summary": "One two"}, SEALED, SEALED]),
    ),
    "litellm": Wanting(
        [
            chunk({"thinking_blocks": [{"type": "thinking", "thinking": "Hm"}], "reasoning_content": "Hm"}),
            chunk({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}]}),
            *called({}),
        ],
        wants(thinking_blocks=[{"type": "thinking", "thinking": "Hm", "signature": "s"}], reasoning_content="Hm"),
    ),
    "anthropic, in parts": Wanting(
        [
            chunk({"content": [{"type": "thinking", "thinking": "H"}]}),
            chunk({"content": [{"type": "thinking", "thinking": "m"}]}),
            chunk({"content": [{"type": "thinking", "thinking": "", "signature": "s"}]}),
            chunk({"content": [{"type": "redacted_thinking", "data": "r"}]}),
            chunk({"content": [{"type": "text", "text": "S"}]}),
            chunk({"content": [{"type": "text", "text": "o"}]}),
            *called({}),
        ],
        wants(
            content=[
                {"type": "thinking", "thinking": "Hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "r"},
                {"type": "text", "text": "So"},
            ],
            reasoning_content=None,
        ),
    ),
    "databricks": Wanting(
        [
            *(
                chunk({"content": [{"type": "reasoning", "summary": [{"type": "summary_text", **piece}]}]})
                for piece in ({"text": "H"}, {"text": "m"}, {"text": "", "signature": "s"})
            ),
            chunk({"content": "So"}),
            *called({}),
        ],
        wants(content=SUMMED, reasoning_content=None),
    ),
    "databricks, at once": Wanting(
        {"role": "assistant", "content": SUMMED, "tool_calls": [CALL]},
        wants(content=SUMMED, reasoning_content=None),
    ),
    "gemini, at once": Wanting(
        {"role": "assistant", "tool_calls": [CALL | signed("s1"), CALL | {"id": "call_1"}]},
        wants(calls=[FIRST | signed("s1"), {"id": "call_1"}]),
    ),
    "openrouter, at once": Wanting(
        {
            "role": "assistant",
            "content": "So",
            "reasoning_details": [TEXT | {"text": "Let "}, TEXT | {"text": "me.", "signature": "s1"}, SEALED],
            "tool_calls": [CALL],
        },
        wants(
            reasoning_details=[TEXT | {"text": "Let "}, TEXT | {"text": "me.", "signature": "s1"}, SEALED], content="So"
        ),
    ),
}
