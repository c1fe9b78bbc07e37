"""The events of background responses: one row for each batch. A reader polls, since D1 notifies of nothing."""

from __future__ import annotations

import asyncio

from penstock.ports import Claim, EventBatch

from .database import RUNNING, UNEXPIRED, StorePart, bytes_of, text_of

_BATCHES_MAX = 256
_BATCH_BYTES_MAX = 2**20
"""How many batches of events, and about how many bytes of them, `events` returns at most."""
_POLL_MIN_S = 0.1
_POLL_MAX_S = 2.0
_POLL_GROWTH = 1.5
"""How often a reader polls, in seconds, and how the interval grows: each query costs money."""
_NUMBER_MAX = 2**53
"""A number of an event may be a client's. JavaScript has no larger integers."""

APPEND = f"""
INSERT INTO events (response, first, data)
SELECT number, ?4, ?5 FROM responses
WHERE id = ?2 AND fence = ?3 AND leased_until IS NOT NULL AND {RUNNING} AND {UNEXPIRED}
RETURNING first
"""
EVENTS = f"""
WITH known AS (SELECT number FROM responses WHERE id = ?2 AND {UNEXPIRED})
SELECT first, data FROM (
    SELECT first, data, sum(length(data)) OVER (ORDER BY first) - length(data) AS before FROM (
        SELECT first, data FROM events JOIN known ON response = number
        WHERE first >= (
            SELECT coalesce(max(first), 0) FROM events JOIN known ON response = number WHERE first <= ?3 + 1
        )
        ORDER BY first LIMIT {_BATCHES_MAX}
    )
) WHERE before < {_BATCH_BYTES_MAX} ORDER BY first
"""
IS_QUIET = f"""
SELECT number FROM responses WHERE id = ?2 AND {RUNNING} AND {UNEXPIRED}
AND NOT EXISTS (SELECT 1 FROM events WHERE response = number AND first > ?3)
"""


class Events(StorePart):
    """The events of background responses."""

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """Append events to a log."""
        return bool(await self._rows(APPEND, claim.response_id, claim.fence, batch.first, text_of(batch.data)))

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """The batches from the one on that contains the event after `after`."""
        rows = await self._rows(EVENTS, response_id, _within(after))
        return [EventBatch(row["first"], bytes_of(row["data"])) for row in rows]

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Wait for a newer batch, or the response's end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        interval_s = _POLL_MIN_S
        while await self._rows(IS_QUIET, response_id, _within(after)):
            left_s = end - loop.time()
            if left_s <= 0:
                return
            await asyncio.sleep(min(interval_s, left_s))
            interval_s = min(interval_s * _POLL_GROWTH, _POLL_MAX_S)


def _within(number: int) -> int:
    return max(-1, min(number, _NUMBER_MAX))
