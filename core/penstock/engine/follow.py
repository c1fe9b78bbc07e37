"""Following: the stream of a background response from its log, on any replica, from any event on.

It reads the store alone: whether the run goes on in this process, in another one, or ended long ago, makes no
difference to it. It never repeats an event and never leaves one out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from penstock import telemetry
from penstock.ports import ENDED, Store, StoredResponse
from penstock.sse import encode_event

from .log import close_log, next_events, read_log


async def follow(store: Store, row: StoredResponse, *, after: int, heartbeat_s: float) -> AsyncGenerator[list[bytes]]:
    """The events behind number `after`, as they are sent, and at last the terminal one; an empty list as heartbeat.

    A response that is deleted meanwhile ends the stream without a terminal event: there is nothing to tell of it.
    """
    last = after
    while True:
        current = await store.response(row.owner, row.id)  # read before its events: what has ended adds none
        if events := await next_events(store, row.id, after=last):
            last += len(events)
            yield events
            continue
        if current is None:
            return
        if current.status in ENDED:
            break
        await store.wait_for_events(row.id, after=last, timeout_s=heartbeat_s)
        yield []
    if events := await _ending(store, current, last):
        yield events


async def _ending(store: Store, row: StoredResponse, last: int) -> list[bytes]:
    """The last events, made of how the response ended."""
    record = telemetry.current()
    record.response_id, record.response_status = row.id, row.status
    transcript = await read_log(store, row.id)
    return [encode_event(event) for event in close_log(transcript, row) if event.sequence_number > last]
