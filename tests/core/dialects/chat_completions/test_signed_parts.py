"""Content parts with signatures: which ones go back, and when."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from core.dialects.chat_completions.decoded import bytewise, choice, decode, stream, whole
from core.kit import Json
from penstock.dialects.chat_completions.decode import ChatDecoder
from penstock.dialects.chat_completions.signed_parts import own_content
from penstock.transcript.deltas import Extras
from requirements import shows

SIGNED: list[Json] = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"}]
UNSIGNED: dict[str, Any] = {
    "a thought": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}],
    "a text with what describes it": [{"type": "text", "text": "a", "annotations": [], "index": 0}],
    "a picture": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}, "detail": "low"}],
    "what cannot be shown": [{"type": "hologram", "beams": 7}],
    "texts that are no parts": ["a", "b"],
}


def returned(content: Any) -> list[Any]:
    """The content that goes back, of a stream and of a body."""
    found = []
    for data in (stream(choice({"content": content}), choice({}, "stop")), whole({"content": content})):
        for pieces in ([data], bytewise(data)):
            extras = [delta for delta in decode(*pieces) if isinstance(delta, Extras)]
            found.append(json.loads(bytes(extras[0].turn["content"])) if extras else None)
    return found


@shows("signed-parts")
def test_signed_parts_go_back_as_they_came() -> None:
    assert returned(SIGNED) == [SIGNED] * 4
    redacted = [{"type": "redacted_thinking", "data": "r"}]
    assert returned(redacted) == [redacted] * 4


@shows("signed-parts")
@pytest.mark.parametrize(
    ("outer", "inner"), [("reasoningContent", "reasoningText"), ("reasoning_content", "reasoning_text")]
)
def test_bedrocks_signatures_go_back(outer: str, inner: str) -> None:
    signed = [{outer: {inner: {"text": "hm", "signature": "s"}}}, {"text": "a"}]
    assert returned(signed) == [signed] * 4
    unsigned = [{outer: {inner: {"text": "hm"}}}, {"text": "a"}]
    assert returned(unsigned) == [None] * 4


@pytest.mark.parametrize("content", UNSIGNED.values(), ids=UNSIGNED)
def test_other_parts_do_not(content: Any) -> None:
    assert returned(content) == [None] * 4


@shows("signed-parts")
def test_no_text_of_a_client_is_replaced() -> None:
    fields = {"content": msgspec.Raw(json.dumps(SIGNED).encode())}
    assert own_content(fields, "a") == fields["content"]
    assert own_content(fields, "another") is None
    assert own_content({}, "a") is None
    assert own_content({"content": msgspec.Raw(b'"a"')}, "a") is None
    thought = msgspec.Raw(json.dumps(SIGNED[:1]).encode())
    assert json.loads(bytes(own_content({"content": thought}, "a") or b"")) == SIGNED


def test_parts_that_are_too_long_are_no_reason_to_fail() -> None:
    decoder = ChatDecoder(inline_think=False, event_bytes_max=10_000, returned_bytes_max=1_000)
    long = [{"type": "thinking", "thinking": "x" * 2_000, "signature": "s"}, {"type": "text", "text": "a"}]
    deltas = decoder.feed(whole({"content": long})) + decoder.close()
    assert not [delta for delta in deltas if isinstance(delta, Extras)]
