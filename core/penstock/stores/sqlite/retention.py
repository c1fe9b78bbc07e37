"""The SQL that removes expired rows, and that counts rows."""

from __future__ import annotations

import sqlite3

_SWEEP = "DELETE FROM {0} WHERE rowid IN (SELECT rowid FROM {0} WHERE expires_at <= ? LIMIT ?)"
_SWEPT = ("responses", "conversations", "marks")
_KINDS = {
    "responses": "responses",
    "response_items": "response_items",
    "event_batches": "events",
    "leases": "leases",
    "conversations": "conversations",
    "conversation_items": "conversation_items",
    "marks": "marks",
}


def sweep(db: sqlite3.Connection, at: float, limit: int) -> int:
    """Remove the responses, conversations and marks that have expired at that time, with their items and events."""
    removed = 0
    for table in _SWEPT:
        removed += db.execute(_SWEEP.format(table), (at, limit - removed)).rowcount
    return removed


def stats(db: sqlite3.Connection) -> dict[str, int]:
    """The number of rows of each kind, and the bytes that they use."""
    counts = {kind: _number(db, f"SELECT count(*) FROM {table}") for kind, table in _KINDS.items()}
    pages = _number(db, "PRAGMA page_count") - _number(db, "PRAGMA freelist_count")
    return counts | {"bytes": pages * _number(db, "PRAGMA page_size")}


def _number(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0])
