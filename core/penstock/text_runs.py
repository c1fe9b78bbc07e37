"""Runs of text: delta events of one text that came in a row, as one object. Nearly all events of a stream are such.

It knows which events a run stands for, and how their JSON is written at once. It never numbers an event: that is the
transcript's work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.json_codec import encode
from penstock.wire import Event

_encoder = msgspec.json.Encoder()
_encode_text = _encoder.encode
_encode_lines = _encoder.encode_lines


class GrowingText:
    """A text of a Response that grows. Its delta events are equal but for their `sequence_number` and their `delta`."""

    __slots__ = ("_event", "_form", "frame")

    def __init__(self, event: Event) -> None:
        """`event` is one of these events; its number and its delta do not matter."""
        self._event: Any = event
        self._form = b""
        self.frame = b""
        """The form of an event in a stream, once `penstock.sse` has made it."""

    @property
    def form(self) -> bytes:
        """The JSON of an event as a format: it takes a number, and the JSON of a delta."""
        if not self._form:
            before, _, rest = encode(self.event(0, "")).replace(b"%", b"%%").partition(b'"sequence_number":0')
            between, _, after = rest.partition(b'"delta":""')
            self._form = b'%b"sequence_number":%%d%b"delta":%%b%b' % (before, between, after)
        return self._form

    def event(self, number: int, delta: str) -> Event:
        """One of the events."""
        event: Event = replace(self._event, sequence_number=number, delta=delta)
        return event


class TextRun(msgspec.Struct, frozen=True):
    """Delta events of one text that follow each other."""

    text: GrowingText
    first: int
    """The number of the first event."""
    deltas: list[str]

    def events(self) -> Iterable[Event]:
        """The events one by one."""
        return map(self.text.event, range(self.first, self.first + len(self.deltas)), self.deltas)

    def write(self, form: bytes) -> list[bytes]:
        """The form of each event, filled in."""
        if len(self.deltas) == 1:
            return [form % (self.first, _encode_text(self.deltas[0]))]
        lines = _encode_lines(self.deltas).splitlines()  # the JSON of a text has no line break in it
        return [form % numbered for numbered in enumerate(lines, self.first)]


Recorded: TypeAlias = Event | TextRun
"""What a transcript gives to its readers."""


def one_by_one(batch: list[Recorded]) -> list[Event]:
    """The events of a batch, those of runs included."""
    events: list[Event] = []
    for recorded in batch:
        if isinstance(recorded, TextRun):
            # spec: text-runs
            events += recorded.events()
        else:
            events.append(recorded)
    return events
