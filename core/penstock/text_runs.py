"""Runs of text: consecutive delta events of one text, as one object. Most events of a stream are such events.

It knows the events of a run, and encodes their JSON together. It never numbers an event: the transcript does.
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
    """A growing text of a Response. Its delta events differ only in their `sequence_number` and their `delta`."""

    __slots__ = ("_event", "_form", "frame")

    def __init__(self, event: Event) -> None:
        """`event` is any of these events. Its number and its delta are not used."""
        self._event: Any = event
        self._form = b""
        self.frame = b""
        """The format of the bytes of an event, once `penstock.sse` has made it."""

    @property
    def form(self) -> bytes:
        """The format of the JSON of an event, for a number and the JSON of a delta."""
        if not self._form:
            before, _, rest = encode(self.event(0, "")).replace(b"%", b"%%").partition(b'"sequence_number":0')
            between, _, after = rest.partition(b'"delta":""')
            self._form = b'%b"sequence_number":%%d%b"delta":%%b%b' % (before, between, after)
        return self._form

    def event(self, number: int, delta: str) -> Event:
        """An event with this number and delta."""
        event: Event = replace(self._event, sequence_number=number, delta=delta)
        return event


class TextRun(msgspec.Struct, frozen=True):
    """Consecutive delta events of one text."""

    text: GrowingText
    first: int
    """The number of the first event."""
    deltas: list[str]

    def events(self) -> Iterable[Event]:
        """The events one by one."""
        return map(self.text.event, range(self.first, self.first + len(self.deltas)), self.deltas)

    def write(self, form: bytes) -> list[bytes]:
        """Each event in this format, with its number and delta."""
        if len(self.deltas) == 1:
            return [form % (self.first, _encode_text(self.deltas[0]))]
        lines = _encode_lines(self.deltas).splitlines()  # the JSON of a text contains no line break
        return [form % numbered for numbered in enumerate(lines, self.first)]


Recorded: TypeAlias = Event | TextRun
"""What a transcript records."""


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
