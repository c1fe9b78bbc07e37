"""A small strict reader of server-sent events, as Penstock promises to write them.

Stricter than the standard on purpose: LF only, one `event` line, one `data` line, a blank line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

DONE = "[DONE]"


class Frame(NamedTuple):
    """One event; a comment has neither event nor data, and the end has data alone."""

    event: str | None
    data: str | None
    raw: bytes


class FramingError(AssertionError):
    """Bytes that are not framed as promised."""


def parse(body: bytes) -> list[Frame]:
    if b"\r" in body:
        raise FramingError("a carriage return")
    if not body.endswith(b"\n\n"):
        raise FramingError(f"ends within an event: {body[-60:]!r}")
    return [_frame(raw + b"\n\n") for raw in body[:-2].split(b"\n\n")]


def events(body: bytes, *, done: bool = True) -> list[dict[str, Any]]:
    """The events of a whole stream; each named as its type, and `[DONE]` last, if at all."""
    frames = [frame for frame in parse(body) if frame.data is not None]
    if done and (not frames or frames.pop().data != DONE):
        raise FramingError("the stream does not end with [DONE]")
    return [_event(frame) for frame in frames]


def check_writes(writes: Iterable[bytes]) -> list[bytes]:
    """No event spans two writes; gives the writes."""
    stored = [write for write in writes if write]
    for write in stored:
        parse(write)
    return stored


def _frame(raw: bytes) -> Frame:
    lines = raw[:-2].decode().split("\n")
    if all(line.startswith(":") for line in lines):
        return Frame(None, None, raw)
    if lines == [f"data: {DONE}"]:
        return Frame(None, DONE, raw)
    if len(lines) != 2 or not lines[0].startswith("event: ") or not lines[1].startswith("data: "):
        raise FramingError(f"neither an event, a comment nor the end: {raw!r}")
    return Frame(lines[0].removeprefix("event: "), lines[1].removeprefix("data: "), raw)


def _event(frame: Frame) -> dict[str, Any]:
    if frame.event is None or frame.data is None:
        raise FramingError(f"no event: {frame.raw!r}")
    event = json.loads(frame.data)
    if not isinstance(event, dict) or event.get("type") != frame.event:
        raise FramingError(f"named {frame.event}, but says it is {frame.data[:80]}")
    return event
