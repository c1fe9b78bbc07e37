"""The event log of a background response: written in batches beside the run, read back as events or as bytes.

The log has every event but the terminal one: the row in the store has the response's end, and a reader of the log makes
the terminal event from it. So one compare-and-set on the row decides what every reader sees.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from penstock.json_codec import Decoder
from penstock.ports import Claim, EventBatch, EventLog, StoredResponse
from penstock.sse import SseReader, encode_events
from penstock.transcript import Transcript
from penstock.transcript.closing import close_open
from penstock.wire import Completed, Created, Event, Failed, Incomplete, LifecycleEvent, Queued, Response, StreamEvent

_decode_event = Decoder[Event](StreamEvent).decode
_decode_response = Decoder[Response](Response).decode

_ENDINGS: dict[str, type[LifecycleEvent]] = {
    "completed": Completed,
    "incomplete": Incomplete,
    "failed": Failed,
    "cancelled": Failed,
}
"""The terminal event of a response that has ended, by its status. OpenAI has no event for `cancelled`."""


class ClaimLost(Exception):
    """The response has ended, or another process works on it."""


class LogWriter:
    """Writes one run's events: one append at a time, with all events that arrived during the previous append."""

    def __init__(self, log: EventLog, claim: Claim, *, batch_bytes_max: int) -> None:
        self._log = log
        self._claim = claim
        self._batch_bytes_max = batch_bytes_max
        self._first = 0
        self._last = -1
        self._data = bytearray()
        self._writing: asyncio.Task[None] | None = None

    async def add(self, events: Sequence[Event]) -> None:
        """Queue events to be written soon; it waits only while too many bytes are pending. Raises `ClaimLost`."""
        self._take(events)
        if len(self._data) >= self._batch_bytes_max:
            await self.flush()
        elif self._writing is None or self._writing.done():
            self._check()
            self._writing = asyncio.ensure_future(self._write())
            self._writing.add_done_callback(_retrieve_exception)

    async def flush(self, events: Sequence[Event] = ()) -> None:
        """Write these and all pending events; returns when they are durable. Raises `ClaimLost`."""
        self._take(events)
        if self._writing is not None:
            await asyncio.wait({self._writing})
            self._check()
        await self._write()

    def _take(self, events: Sequence[Event]) -> None:
        """Events that were queued before are skipped: an end that could not be stored is followed by another one."""
        if events and events[0].sequence_number <= self._last:
            events = [event for event in events if event.sequence_number > self._last]
        if not events:
            return
        if not self._data:
            self._first = events[0].sequence_number
        self._last = events[-1].sequence_number
        self._data += encode_events(events)

    def _check(self) -> None:
        """Raise the exception of the last append."""
        if self._writing is not None and self._writing.done():
            self._writing.result()

    async def _write(self) -> None:
        while self._data:
            batch = EventBatch(self._first, bytes(self._data))
            self._data = bytearray()
            if not await self._log.append_events(self._claim, batch):
                raise ClaimLost


def _retrieve_exception(writing: asyncio.Task[None]) -> None:
    """Mark the append's exception as retrieved: a stopped run does not await it, and asyncio would log that."""
    if not writing.cancelled():
        writing.exception()


def events_after(batch: EventBatch, after: int) -> list[bytes]:
    """The events of a batch with a number greater than `after`, each as it is sent."""
    events = [event + b"\n\n" for event in batch.data.split(b"\n\n") if event]
    # spec: cursors
    return events[max(0, after + 1 - batch.first) :]


async def read_log(log: EventLog, response_id: str) -> Transcript:
    """The transcript of the events in a log."""
    transcript = Transcript()
    last = -1
    while events := await next_events(log, response_id, after=last):
        for event in decode_events(events):
            transcript.record(event)
        last += len(events)
    transcript.take()
    return transcript


async def next_events(log: EventLog, response_id: str, *, after: int) -> list[bytes]:
    """Some events with a number greater than `after`, each as it is sent; none where the log has none yet."""
    return [event for batch in await log.events(response_id, after=after) for event in events_after(batch, after)]


def decode_events(events: Iterable[bytes]) -> list[Event]:
    """Decode events that were encoded for the log."""
    reader = SseReader(event_bytes_max=sys.maxsize)
    return [_decode_event(data) for event in events for data in reader.feed(event)]


def _as_queued(response: Response) -> Response:
    """The Response as it was before it ended, where it ended before its first event."""
    return replace(response, status="queued", completed_at=None, error=None, incomplete_details=None, output=[])


def close_log(transcript: Transcript, row: StoredResponse) -> list[Event]:
    """The events that complete a log: open items are closed, and the terminal event has the row's status."""
    response = _decode_response(row.body)
    if transcript.state == "new":
        queued = _as_queued(response)
        transcript.record(Created(response=queued))
        transcript.record(Queued(response=queued))
    close_open(transcript)
    transcript.record(_ENDINGS[row.status](response=response))
    return transcript.take()
