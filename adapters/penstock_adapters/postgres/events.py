"""The events of background responses: one row a batch, and readers that wake when another is there.

It knows a batch by its first number. How many events are in the last one only its reader can say, so that one is told
again to whoever may lack a part of it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from penstock.ports import Claim, EventBatch

from ._base import Part
from .rows import ALIVE, RUNS

BATCHES_MAX = 256
"""How many are told at a time."""
LOOK_S = 2.0
"""How often a reader looks by itself: news may be lost."""

# The lock keeps the lease as it is until the batch is committed: a claim, an end or a deletion waits for it.
APPEND = f"""
    INSERT INTO events (response_id, first, data)
    SELECT id, $3, $4 FROM responses
    WHERE id = $1 AND fence = $2 AND leased_until IS NOT NULL AND {RUNS} AND {ALIVE} FOR NO KEY UPDATE
    RETURNING 1
"""

# From the batch on that holds the next event, or would.
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


class Events(Part):
    """The events of background responses."""

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """Add a batch, where the lease is this claim's."""
        added = await self._database.change(APPEND, claim.response_id, claim.fence, batch.first, batch.data)
        if added:
            self._news.tell(claim.response_id)
        return bool(added)

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """The batches from the one with the next event on."""
        rows = await self._database.read(EVENTS, response_id, _within(after))
        return [EventBatch(row["first"], row["data"]) for row in rows]

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Wait until a batch begins behind `after` or the response no longer runs; it looks, then waits for news."""
        after = _within(after)
        end = _now() + timeout_s
        with self._news.of(response_id) as news:
            while await self._database.read(IS_QUIET, response_id, after):
                left_s = end - _now()
                if left_s <= 0:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, LOOK_S)):
                        await news.wait()
                news.clear()


def _within(number: int) -> int:
    """A sequence number that PostgreSQL can add one to; it may be a client's."""
    return max(-1, min(number, 2**53))


def _now() -> float:
    return asyncio.get_running_loop().time()
