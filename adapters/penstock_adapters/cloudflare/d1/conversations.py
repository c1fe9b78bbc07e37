"""Conversations and their items, and one writer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from penstock.ports import ItemPage, StoredConversation, StoredItem

from .database import UNEXPIRED, Statement, StorePart, bytes_of, checked, items_of, pieces_of, text_of

_MINE = f"id = ?2 AND owner = ?3 AND {UNEXPIRED}"

SAVE = """
INSERT INTO conversations (id, owner, created_at, expires_at, metadata) VALUES (?2, ?3, ?4, ?5, ?6)
RETURNING number
"""
READ = f"SELECT created_at, expires_at, metadata FROM conversations WHERE {_MINE}"
UPDATE = f"UPDATE conversations SET metadata = ?4 WHERE {_MINE} RETURNING number"
DELETE = f"DELETE FROM conversations WHERE {_MINE} RETURNING number"
EXISTS = f"SELECT number FROM conversations WHERE {_MINE}"

# An item whose id exists already keeps its position. The time is not compared again: a row that expires between two
# statements of a batch is the same row.
ADD_ITEMS = """
INSERT INTO conversation_items (conversation, position, id, body)
SELECT number,
    (SELECT coalesce(max(position) + 1, 0) FROM conversation_items WHERE conversation = number) + entry.key,
    json_extract(entry.value, '$[0]'), json_extract(entry.value, '$[1]')
FROM conversations CROSS JOIN json_each(?4) AS entry
WHERE conversations.id = ?2 AND owner = ?3 AND (expires_at IS NULL OR expires_at > ?1)
ORDER BY entry.key
ON CONFLICT (id, conversation) DO NOTHING
"""
ITEM = f"""
SELECT item.body FROM conversation_items AS item JOIN conversations AS talk ON number = conversation
WHERE talk.id = ?2 AND owner = ?3 AND {UNEXPIRED} AND item.id = ?4
"""
DELETE_ITEM = f"""
DELETE FROM conversation_items
WHERE id = ?4 AND conversation = (SELECT number FROM conversations WHERE {_MINE})
RETURNING id
"""
START = f"""
SELECT number,
    (SELECT position FROM conversation_items AS item WHERE conversation = number AND item.id = ?4) AS position
FROM conversations WHERE {_MINE}
"""
_PAGE = f"""
SELECT id, CASE WHEN ?6 IS NULL OR total <= ?6 THEN body END AS body, total FROM (
    SELECT *, sum(length(CAST(body AS BLOB))) OVER () AS total FROM (
        SELECT item.id, item.body, item.position FROM conversation_items AS item
        WHERE conversation = (SELECT number FROM conversations WHERE {_MINE})
        AND (?4 IS NULL OR position {{behind}} (
            SELECT position FROM conversation_items AS start
            WHERE start.id = ?4 AND start.conversation = item.conversation
        ))
        ORDER BY position {{order}} LIMIT ?5
    )
) ORDER BY position {{order}}
"""
PAGE = {"asc": _PAGE.format(behind=">", order="ASC"), "desc": _PAGE.format(behind="<", order="DESC")}
LOCK = f"""
UPDATE conversations SET writer = ?3, writes_until = ?5
WHERE id = ?2 AND {UNEXPIRED} AND (writer IS NULL OR writer = ?3 OR writes_until <= ?4)
RETURNING number
"""
UNLOCK = "UPDATE conversations SET writer = NULL, writes_until = NULL WHERE id = ?2 AND writer = ?3"


class Conversations(StorePart):
    """Conversations and their items."""

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """Add a conversation with its first items."""
        times = (conversation.created_at, conversation.expires_at)
        values = (conversation.id, conversation.owner, *times, text_of(conversation.metadata))
        await self._batch(Statement(SAVE, values), *_added(conversation.owner, conversation.id, items))

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """One conversation."""
        rows = await self._rows(READ, conversation_id, owner)
        if not rows:
            return None
        return StoredConversation(
            id=conversation_id,
            owner=owner,
            created_at=rows[0]["created_at"],
            expires_at=rows[0]["expires_at"],
            metadata=bytes_of(rows[0]["metadata"]),
        )

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """Replace the metadata of a conversation."""
        return bool(await self._rows(UPDATE, conversation_id, owner, text_of(metadata)))

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """Remove a conversation; the schema's cascades remove its items."""
        return bool(await self._rows(DELETE, conversation_id, owner))

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """Append items to a conversation."""
        found, *_ = await self._batch(
            Statement(EXISTS, (conversation_id, owner)), *_added(owner, conversation_id, items)
        )
        return bool(found)

    async def page_items(
        self,
        owner: str,
        conversation_id: str,
        *,
        after: str | None = None,
        limit: int | None = None,
        order: Literal["asc", "desc"] = "asc",
        bytes_max: int | None = None,
    ) -> ItemPage | None:
        """Some of its items. One more is read, to find out whether more follow."""
        key = (conversation_id, owner, after)
        page = Statement(PAGE[order], (*key, -1 if limit is None else limit + 1, bytes_max))
        start, rows = await self._batch(Statement(START, key), page)
        if not start or (after is not None and start[0]["position"] is None):
            return None
        items = items_of(checked(rows, bytes_max))
        return ItemPage(items[:limit], has_more=limit is not None and len(items) > limit)

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """The body of one of its items."""
        rows = await self._rows(ITEM, conversation_id, owner, item_id)
        return bytes_of(rows[0]["body"]) if rows else None

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """Remove one of its items."""
        return bool(await self._rows(DELETE_ITEM, conversation_id, owner, item_id))

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """Make a response the writer, unless there is another."""
        return bool(await self._rows(LOCK, conversation_id, writer, now, until))

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """Remove the writer."""
        await self._rows(UNLOCK, conversation_id, writer)


def _added(owner: str, conversation_id: str, items: Sequence[StoredItem]) -> list[Statement]:
    """The statements that append items. Each piece begins behind what the one before it has added."""
    return [Statement(ADD_ITEMS, (conversation_id, owner, piece)) for _, piece in pieces_of(items)]
