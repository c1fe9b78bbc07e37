"""The SQL of events and leases: each function is one step of a transaction that others make."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from penstock.ports import Claim, EventBatch, StoredResponse

from .conversations import ALIVE
from .responses import RUNS, load
from .waiting import Wish

_BATCHES_MAX = 256
_BATCH_BYTES_MAX = 2**20
"""How many batches of events are told at a time, and after how many bytes no more are."""

_HELD = f"""
SELECT number FROM responses JOIN leases ON response = number
WHERE id = :id AND fence = :fence AND until IS NOT NULL AND {ALIVE}
"""
_EVENTS = """
SELECT first, data FROM events
WHERE response = :number
AND first >= (SELECT coalesce(max(first), 0) FROM events WHERE response = :number AND first <= :next)
ORDER BY first LIMIT :batches_max
"""
_GRANTED = f"""
SELECT wish.id
FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS after FROM json_each(:wishes)) AS wish
LEFT JOIN responses ON responses.id = wish.id AND {ALIVE} AND {RUNS}
WHERE number IS NULL OR EXISTS (SELECT 1 FROM events WHERE response = number AND first > wish.after)
"""
_RUNNING = f"""
SELECT number, fence, until FROM responses LEFT JOIN leases ON response = number
WHERE id = :id AND {ALIVE} AND {RUNS}
"""
_CLAIM = """
INSERT INTO leases (response, fence, until) VALUES (:number, 1, :until)
ON CONFLICT (response) DO UPDATE SET fence = fence + 1, until = :until
"""
_UNCLAIMED = f"""
background = 1 AND {RUNS} AND {ALIVE} AND NOT EXISTS (SELECT 1 FROM leases WHERE response = number AND until > :at)
ORDER BY created_at, number LIMIT :limit
"""


def append(db: sqlite3.Connection, claim: Claim, batch: EventBatch, now: int) -> bool:
    """Add events at the end of a log."""
    number = _held(db, claim, now)
    if number is not None:
        db.execute("INSERT INTO events (response, first, data) VALUES (?, ?, ?)", (number, batch.first, batch.data))
    return number is not None


def events(db: sqlite3.Connection, response_id: str, after: int, now: int) -> list[EventBatch]:
    """The batches from the one with the next event on."""
    known = db.execute(f"SELECT number FROM responses WHERE id = :id AND {ALIVE}", {"id": response_id, "now": now})
    row = known.fetchone()
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


def granted(db: sqlite3.Connection, wishes: Sequence[Wish], now: int) -> set[str]:
    """The ids of those responses that have such an event, have ended or are gone."""
    return {row[0] for row in db.execute(_GRANTED, {"wishes": json.dumps(wishes), "now": now}).fetchall()}


def claim(db: sqlite3.Connection, response_id: str, at: float, until: float, now: int) -> Claim | None:
    """Take the lease, where nobody's is in force at that time."""
    row = db.execute(_RUNNING, {"id": response_id, "now": now}).fetchone()
    if row is None or (row[2] is not None and row[2] > at):
        return None
    db.execute(_CLAIM, {"number": row[0], "until": until})
    return Claim(response_id, (row[1] or 0) + 1)


def renew(db: sqlite3.Connection, claims: Collection[Claim], until: float | None, now: int) -> set[str]:
    """Prolong leases, or with None give them up; the ids of those that are lost."""
    lost = set()
    for each in claims:
        number = _held(db, each, now)
        if number is None:
            lost.add(each.response_id)
        else:
            db.execute("UPDATE leases SET until = ? WHERE response = ?", (until, number))
    return lost


def unclaimed(db: sqlite3.Connection, at: float, limit: int, now: int) -> list[StoredResponse]:
    """What waits for somebody to work on it, oldest first."""
    return load(db, _UNCLAIMED, {"at": at, "limit": limit, "now": now})


def _held(db: sqlite3.Connection, claim: Claim, now: int) -> int | None:
    """The number of a response whose lease is this claim's."""
    row = db.execute(_HELD, {"id": claim.response_id, "fence": claim.fence, "now": now}).fetchone()
    return None if row is None else int(row[0])
