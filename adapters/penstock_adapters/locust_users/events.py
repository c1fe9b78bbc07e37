"""The events of one stream and the times at which they arrived: from these come the figures of a stream.

It reads no clock and no socket: its caller gives it the events and the times.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec

from penstock_adapters.locust_users.finished import EndEvent, Finished, read_end

DATA = b"data: "
DONE = b"[DONE]"
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")
"""The events after which a stream has no other."""


class EventHead(msgspec.Struct):
    """The fields that every event has. Other fields are checked to be JSON, and skipped."""

    type: str
    sequence_number: int | None = None


_read_head = msgspec.json.Decoder(EventHead).decode


class ReceivedEvents:
    """The events of one stream as they arrive. Times are seconds since the request was sent."""

    def __init__(self) -> None:
        """Start without events."""
        self.times_s: list[float] = []
        self.token_times_s: list[float] = []
        self.size_bytes = 0
        self.end: EndEvent | None = None
        self._number = -1
        self._fault: str | None = None

    def add_sse(self, event: bytes, at_s: float) -> None:
        """Add a server-sent event of one `data` line. A comment, and the mark of the end, are not counted."""
        self.size_bytes += len(event)
        data = event.partition(DATA)[2].rstrip()
        if data and data != DONE:
            self._add(data, at_s)

    def add_message(self, message: bytes, at_s: float) -> None:
        """Add a message of a WebSocket."""
        self.size_bytes += len(message)
        self._add(message, at_s)

    def _add(self, data: bytes, at_s: float) -> None:
        try:
            head = _read_head(data)
            if head.type in ENDS:
                self._fault = self._fault or (f"{head.type} after {self.end.type}" if self.end else None)
                self.end = read_end(data)
        except msgspec.MsgspecError:
            self._fault = self._fault or "an event is not the JSON of an event"
            return
        self.times_s.append(at_s)
        if head.type.endswith(".delta"):
            self.token_times_s.append(at_s)
        if head.sequence_number is not None:
            self._follow(head.sequence_number)

    def _follow(self, number: int) -> None:
        if number != self._number + 1:
            self._fault = self._fault or "the sequence numbers are not in order"
        self._number = number

    @property
    def first_token_s(self) -> float | None:
        """The time to the first token: the first delta of a text, a reasoning, or the arguments of a call."""
        return self.token_times_s[0] if self.token_times_s else None

    def gaps_s(self) -> Iterator[float]:
        """The times between tokens. Tokens that arrive together have gaps of almost 0."""
        return (later - earlier for earlier, later in pairwise(self.token_times_s))

    def fault(self) -> str | None:
        """Why the stream is not a good one, or None. Locust counts failures by this text, so it has no numbers."""
        if self._fault:
            return self._fault
        if self.end is None:
            return "the stream has no terminal event"
        return self.end.fault

    @property
    def response(self) -> Finished | None:
        """The Response in the last event."""
        return self.end.response if self.end else None
