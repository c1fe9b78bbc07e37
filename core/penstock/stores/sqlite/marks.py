"""The SQL of marks. The function is a step of a transaction that its caller controls."""

from __future__ import annotations

import sqlite3

_MARK = """
INSERT INTO marks (owner, name, expires_at) VALUES (:owner, :name, :expires_at)
ON CONFLICT (owner, name) DO UPDATE SET expires_at = :expires_at WHERE expires_at <= :now
"""


def mark_once(db: sqlite3.Connection, owner: str, name: str, expires_at: int, now: int) -> bool:
    """Set a mark. False where it is set, and has not expired."""
    fields = {"owner": owner, "name": name, "expires_at": expires_at, "now": now}
    return db.execute(_MARK, fields).rowcount == 1
