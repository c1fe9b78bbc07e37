"""The SQL of conversations and their items. Each function is a step of a transaction that its caller controls."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Literal

from msgspec.structs import asdict

from penstock.ports import ItemPage, StoredConversation, StoredItem, TooManyBytes

UNEXPIRED = "(expires_at IS NULL OR expires_at > :now)"
"""The condition that a conversation or a response has not expired."""

_ITEMS_MAX = 200
"""How many items one statement adds: each statement releases the interpreter lock and takes it again."""

_SAVE = """
INSERT INTO conversations (id, owner, created_at, expires_at, metadata)
VALUES (:id, :owner, :created_at, :expires_at, :metadata)
"""
_ONE = f"""
SELECT number, created_at, expires_at, metadata FROM conversations WHERE id = :id AND owner = :owner AND {UNEXPIRED}
"""
_WRITABLE = f"SELECT number FROM conversations WHERE id = :id AND owner = :owner AND writer = :writer AND {UNEXPIRED}"

_NEXT = "SELECT coalesce(max(position) + 1, 0) FROM conversation_items WHERE conversation = ?"
_ONCE = "ON CONFLICT (id, conversation) DO NOTHING"
_ADD_TURN = f"""
INSERT INTO conversation_items (conversation, position, id, body)
SELECT :conversation, :next + row_number() OVER (ORDER BY is_output, position), id, body
FROM response_items WHERE response = :response ORDER BY is_output, position
{_ONCE}
"""

_POSITION = "SELECT position FROM conversation_items WHERE id = ? AND conversation = ?"
_PAGE = {
    "asc": "SELECT id, body FROM conversation_items WHERE conversation = ? AND position > ? ORDER BY position LIMIT ?",
    "desc": "SELECT id, body FROM conversation_items WHERE conversation = ? AND position < ? "
    "ORDER BY position DESC LIMIT ?",
}
BEFORE_ALL = {"asc": -1, "desc": 2**62}
"""The place that a page without `after` begins behind."""

_LOCK = f"""
UPDATE conversations SET writer = :writer, writes_until = :until
WHERE id = :id AND {UNEXPIRED} AND (writer IS NULL OR writer = :writer OR writes_until <= :at)
"""


def save(db: sqlite3.Connection, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
    """Add a conversation with its first items."""
    number = db.execute(_SAVE, asdict(conversation)).lastrowid or 0
    _add_items(db, number, items)


def get(db: sqlite3.Connection, owner: str, conversation_id: str, now: int) -> StoredConversation | None:
    """One conversation."""
    row = db.execute(_ONE, {"id": conversation_id, "owner": owner, "now": now}).fetchone()
    if row is None:
        return None
    _, created_at, expires_at, metadata = row
    return StoredConversation(
        id=conversation_id, owner=owner, created_at=created_at, expires_at=expires_at, metadata=metadata
    )


def update(db: sqlite3.Connection, owner: str, conversation_id: str, metadata: bytes, now: int) -> bool:
    """Replace the metadata of a conversation."""
    number = _number(db, owner, conversation_id, now)
    db.execute("UPDATE conversations SET metadata = ? WHERE number = ?", (metadata, number))
    return number is not None


def delete(db: sqlite3.Connection, owner: str, conversation_id: str, now: int) -> bool:
    """Remove a conversation and its items."""
    number = _number(db, owner, conversation_id, now)
    db.execute("DELETE FROM conversations WHERE number = ?", (number,))
    return number is not None


def add(db: sqlite3.Connection, owner: str, conversation_id: str, items: Sequence[StoredItem], now: int) -> bool:
    """Append items to a conversation."""
    number = _number(db, owner, conversation_id, now)
    if number is not None:
        _add_items(db, number, items)
    return number is not None


def item(db: sqlite3.Connection, owner: str, conversation_id: str, item_id: str, now: int) -> bytes | None:
    """The body of one item of a conversation."""
    number = _number(db, owner, conversation_id, now)
    sql = "SELECT body FROM conversation_items WHERE id = ? AND conversation = ?"
    row = db.execute(sql, (item_id, number)).fetchone()
    return None if row is None else row[0]


def delete_item(db: sqlite3.Connection, owner: str, conversation_id: str, item_id: str, now: int) -> bool:
    """Remove one item of a conversation."""
    number = _number(db, owner, conversation_id, now)
    sql = "DELETE FROM conversation_items WHERE id = ? AND conversation = ?"
    return db.execute(sql, (item_id, number)).rowcount == 1


def page(
    db: sqlite3.Connection,
    owner: str,
    conversation_id: str,
    *,
    after: str | None,
    limit: int | None,
    order: Literal["asc", "desc"],
    bytes_max: int | None,
    now: int,
) -> ItemPage | None:
    """A page of a conversation's items. One more is read, to find out whether more follow."""
    number = _number(db, owner, conversation_id, now)
    row = (BEFORE_ALL[order],) if after is None else db.execute(_POSITION, (after, number)).fetchone()
    if number is None or row is None:
        return None
    found = db.execute(_PAGE[order], (number, row[0], -1 if limit is None else limit + 1))
    rows = fetch_within(bytes_max, found)
    items = [StoredItem(*each) for each in rows[:limit]]
    return ItemPage(items, has_more=len(rows) > len(items))


def fetch_within(bytes_max: int | None, found: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """The rows, whose last column is an item's body. Raises `TooManyBytes`, and reads no further than that."""
    if bytes_max is None:
        return found.fetchall()
    rows: list[tuple[Any, ...]] = []
    for row in found:
        bytes_max -= len(row[-1])
        if bytes_max < 0:
            raise TooManyBytes
        rows.append(row)
    return rows


def lock(db: sqlite3.Connection, conversation_id: str, *, writer: str, at: float, until: float, now: int) -> bool:
    """Make a response the writer of a conversation, unless it has another writer at that time."""
    fields = {"id": conversation_id, "writer": writer, "at": at, "until": until, "now": now}
    return db.execute(_LOCK, fields).rowcount == 1


def unlock(db: sqlite3.Connection, conversation_id: str, *, writer: str) -> None:
    """Remove the writer of a conversation."""
    sql = "UPDATE conversations SET writer = NULL, writes_until = NULL WHERE id = ? AND writer = ?"
    db.execute(sql, (conversation_id, writer))


def number_if_writer(db: sqlite3.Connection, owner: str, conversation_id: str, writer: str, now: int) -> int | None:
    """The number of a conversation, if `writer` is its writer."""
    fields = {"id": conversation_id, "owner": owner, "writer": writer, "now": now}
    row = db.execute(_WRITABLE, fields).fetchone()
    return None if row is None else int(row[0])


def add_turn(db: sqlite3.Connection, number: int, response: int) -> None:
    """Append a response's items to a conversation."""
    [following] = db.execute(_NEXT, (number,)).fetchone()
    db.execute(_ADD_TURN, {"conversation": number, "next": following - 1, "response": response})


def _number(db: sqlite3.Connection, owner: str, conversation_id: str, now: int) -> int | None:
    row = db.execute(_ONE, {"id": conversation_id, "owner": owner, "now": now}).fetchone()
    return None if row is None else int(row[0])


def _add_items(db: sqlite3.Connection, number: int, items: Sequence[StoredItem]) -> None:
    [following] = db.execute(_NEXT, (number,)).fetchone()
    for start in range(0, len(items), _ITEMS_MAX):
        batch = items[start : start + _ITEMS_MAX]
        row = ", ".join(["(?, ?, ?, ?)"] * len(batch))
        fields = [x for n, item in enumerate(batch, following + start) for x in (number, n, item.id, item.body)]
        db.execute(f"INSERT INTO conversation_items (conversation, position, id, body) VALUES {row} {_ONCE}", fields)
