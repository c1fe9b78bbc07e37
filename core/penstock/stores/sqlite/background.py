"""The SQL of events and leases. Each function is a step of a transaction that its caller controls."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from penstock.ports import Claim, EventBatch, StoredResponse

from .conversations import UNEXPIRED
from .event_waiters import EventPosition
from .responses import IS_RUNNING, load

_BATCHES_MAX = 256
_BATCH_BYTES_MAX = 2**20
"""How many batches of events, and about how many bytes of them, `events` returns at most."""

_CLAIMED = f"""
SELECT number FROM responses JOIN leases ON response = number
WHERE id = :id AND fence = :fence AND until IS NOT NULL AND {UNEXPIRED}
"""
_EVENTS = """
SELECT first, data FROM events
WHERE response = :number
AND first >= (SELECT coalesce(max(first), 0) FROM events WHERE response = :number AND first <= :next)
ORDER BY first LIMIT :batches_max
"""
_READY = f"""
SELECT position.id
FROM (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS after FROM json_each(:positions)
) AS position
LEFT JOIN responses ON responses.id = position.id AND {UNEXPIRED} AND {IS_RUNNING}
WHERE number IS NULL OR EXISTS (SELECT 1 FROM events WHERE response = number AND first > position.after)
"""
_RUNNING = f"""
SELECT number, fence, until FROM responses LEFT JOIN leases ON response = number
WHERE id = :id AND {UNEXPIRED} AND {IS_RUNNING}
"""
_CLAIM = """
INSERT INTO leases (response, fence, until) VALUES (:number, 1, :until)
ON CONFLICT (response) DO UPDATE SET fence = fence + 1, until = :until
"""
_UNCLAIMED = f"""
background = 1 AND {IS_RUNNING} AND {UNEXPIRED}
AND NOT EXISTS (SELECT 1 FROM leases WHERE response = number AND until > :at)
ORDER BY created_at, number LIMIT :limit
"""


def append(db: sqlite3.Connection, claim: Claim, batch: EventBatch, now: int) -> bool:
    """Append events to a log."""
    number = _claimed(db, claim, now)
    if number is not None:
        db.execute("INSERT INTO events (response, first, data) VALUES (?, ?, ?)", (number, batch.first, batch.data))
    return number is not None


def events(db: sqlite3.Connection, response_id: str, after: int, now: int) -> list[EventBatch]:
    """The batches from the one on that contains the event after `after`."""
    found = db.execute(f"SELECT number FROM responses WHERE id = :id AND {UNEXPIRED}", {"id": response_id, "now": now})
    row = found.fetchone()
    batches: list[EventBatch] = []
    if row is None:
        return batches
    size = 0
    for first, data in db.execute(_EVENTS, {"number": row[0], "next": after + 1, "batches_max": _BATCHES_MAX}):
        batches.append(EventBatch(first, data))
        size += len(data)
        if size >= _BATCH_BYTES_MAX:
            break
    return batches


def find_ready(db: sqlite3.Connection, positions: Sequence[EventPosition], now: int) -> set[str]:
    """The ids of those responses that have a newer event, have ended or are gone."""
    return {row[0] for row in db.execute(_READY, {"positions": json.dumps(positions), "now": now}).fetchall()}


def claim(db: sqlite3.Connection, response_id: str, at: float, until: float, now: int) -> Claim | None:
    """Take the lease, unless another lease is in force at that time."""
    row = db.execute(_RUNNING, {"id": response_id, "now": now}).fetchone()
    if row is None or (row[2] is not None and row[2] > at):
        return None
    db.execute(_CLAIM, {"number": row[0], "until": until})
    return Claim(response_id, (row[1] or 0) + 1)


def renew(db: sqlite3.Connection, claims: Collection[Claim], until: float | None, now: int) -> set[str]:
    """Prolong leases, or release them where `until` is None. Returns the ids of those that are lost."""
    lost = set()
    for each in claims:
        number = _claimed(db, each, now)
        if number is None:
            lost.add(each.response_id)
        else:
            db.execute("UPDATE leases SET until = ? WHERE response = ?", (until, number))
    return lost


def unclaimed(db: sqlite3.Connection, at: float, limit: int, now: int) -> list[StoredResponse]:
    """Background responses without a lease in force, the oldest first."""
    return load(db, _UNCLAIMED, {"at": at, "limit": limit, "now": now})


def _claimed(db: sqlite3.Connection, claim: Claim, now: int) -> int | None:
    """The number of the response, if this claim has its lease."""
    row = db.execute(_CLAIMED, {"id": claim.response_id, "fence": claim.fence, "now": now}).fetchone()
    return None if row is None else int(row[0])
