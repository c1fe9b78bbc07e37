"""The events of background responses: one row for each batch, and readers that are notified of the next one.

It knows a batch by its first number. Only a reader can count the events of the last batch, so that batch is returned
again to a reader that may not have all of it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from penstock.ports import Claim, EventBatch

from ._base import StorePart
from .rows import ALIVE, RUNS

BATCHES_MAX = 256
"""How many batches are returned at a time."""
LOOK_S = 2.0
"""After how many seconds a reader looks without a notification: notifications may be lost."""

# The lock protects the lease until the batch is committed: a claim, an end or a deletion waits for it.
APPEND = f"""
    INSERT INTO events (response_id, first, data)
    SELECT id, $3, $4 FROM responses
    WHERE id = $1 AND fence = $2 AND leased_until IS NOT NULL AND {RUNS} AND {ALIVE} FOR NO KEY UPDATE
    RETURNING 1
"""

# From the batch with the next event on, if there is one.
EVENTS = f"""
    SELECT first, data FROM events
    WHERE response_id = $1
        AND first >= coalesce((SELECT max(first) FROM events WHERE response_id = $1 AND first <= $2::bigint + 1), 0)
        AND EXISTS (SELECT FROM responses WHERE id = $1 AND {ALIVE})
    ORDER BY first LIMIT {BATCHES_MAX}
"""
IS_QUIET = f"""
    SELECT FROM responses
    WHERE id = $1 AND {RUNS} AND {ALIVE}
        AND NOT EXISTS (SELECT FROM events WHERE response_id = $1 AND first > $2::bigint)
"""


class Events(StorePart):
    """The events of background responses."""

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """Add a batch, if this claim has the lease."""
        added = await self._database.change(APPEND, claim.response_id, claim.fence, batch.first, batch.data)
        if added:
            self._notifications.send(claim.response_id)
        return bool(added)

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """The batches from the one with the next event on."""
        rows = await self._database.read(EVENTS, response_id, _within(after))
        return [EventBatch(row["first"], row["data"]) for row in rows]

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Wait until a batch begins after `after` or the response has ended; it looks first, then waits for changes."""
        after = _within(after)
        end = _now() + timeout_s
        with self._notifications.of(response_id) as change:
            while await self._database.read(IS_QUIET, response_id, after):
                left_s = end - _now()
                if left_s <= 0:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, LOOK_S)):
                        await change.wait()
                change.clear()


def _within(number: int) -> int:
    """A sequence number to which PostgreSQL can add one; a client may have sent it."""
    return max(-1, min(number, 2**53))


def _now() -> float:
    return asyncio.get_running_loop().time()
