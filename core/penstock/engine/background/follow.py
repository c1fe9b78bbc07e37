"""Following: the stream of a background response from its log, in any process and from any event.

It reads the store only, so it makes no difference where the run is, or whether it has ended. No event is repeated or
left out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from penstock import telemetry
from penstock.errors import ApiError, not_found
from penstock.ports import ENDED, Store, StoredResponse
from penstock.sse import encode_event
from penstock.wire import Error

from .event_log import close_log, next_events, read_log


class Follower:
    """The events of one response after number `after`, as they are sent."""

    def __init__(self, store: Store, row: StoredResponse, *, after: int, heartbeat_s: float) -> None:
        self._store = store
        self._row = row
        self._last = after
        self._heartbeat_s = heartbeat_s

    async def batches(self) -> AsyncGenerator[list[bytes]]:
        """The events, then the terminal one; an empty list is a heartbeat.

        Where the response is deleted meanwhile, the last event is an error.
        """
        store, row = self._store, self._row
        while True:
            current = await store.response(row.owner, row.id)  # read before its events: what has ended adds none
            # spec: resume
            if events := await next_events(store, row.id, after=self._last):
                self._last += len(events)
                yield events
                continue
            # spec: deleted-streams
            if current is None:
                yield [self.error(_gone(row.id))]
                return
            if current.status in ENDED:
                break
            await store.wait_for_events(row.id, after=self._last, timeout_s=self._heartbeat_s)
            yield []
        if events := await self._ending(current):
            yield events

    def error(self, error: ApiError) -> bytes:
        """The event for an error that ends the stream, and not the response.

        It has the number of the event before it: a client that continues after that number misses no event.
        """
        telemetry.current().failed(error)
        number = max(self._last, 0)
        return encode_event(Error(sequence_number=number, code=error.code, message=error.message, param=error.param))

    async def _ending(self, row: StoredResponse) -> list[bytes]:
        """The last events, made from the response's end. The log may have been deleted since the row was read."""
        record = telemetry.current()
        record.response_id, record.response_status = row.id, row.status
        transcript = await read_log(self._store, row.id)
        if events := [
            encode_event(event) for event in close_log(transcript, row) if event.sequence_number > self._last
        ]:
            return events
        is_there = await self._store.response(row.owner, row.id) is not None
        # spec: deleted-streams
        return [] if is_there else [self.error(_gone(row.id))]


def _gone(response_id: str) -> ApiError:
    return not_found(f"Response with id '{response_id}' was deleted.", "response_deleted", "response_id")
