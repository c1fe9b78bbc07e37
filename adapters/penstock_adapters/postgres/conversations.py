"""Conversations: their items by position, and one writer at a time.

A position (the column `place`) is taken from the conversation's row under its lock, which lasts until the items are
committed. So positions become visible in order, and later items never change a page that was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from penstock.ports import ItemPage, StoredConversation, StoredItem

from ._base import StorePart
from .rows import ALIVE, arrays, check_bytes

SAVE = """
    WITH target AS (
        INSERT INTO conversations (id, owner, created_at, expires_at, metadata, next_place)
        VALUES ($1, $2, $3, $4, $5, 1 + cardinality($6::text[]))
        RETURNING id
    )
    INSERT INTO conversation_items (conversation_id, place, owner, id, body)
    SELECT target.id, entry.place, $2, entry.id, entry.body
    FROM target, unnest($6::text[], $7::bytea[]) WITH ORDINALITY AS entry (id, body, place)
    ON CONFLICT (conversation_id, id) DO NOTHING
"""
READ = f"""
    SELECT id, owner, created_at, expires_at, metadata FROM conversations WHERE id = $2 AND owner = $1 AND {ALIVE}
"""
UPDATE = f"UPDATE conversations SET metadata = $3 WHERE id = $2 AND owner = $1 AND {ALIVE} RETURNING 1"
DELETE = f"DELETE FROM conversations WHERE id = $2 AND owner = $1 AND {ALIVE} RETURNING 1"

# An item whose id exists already keeps its position.
ADD = f"""
    WITH target AS (
        UPDATE conversations SET next_place = next_place + cardinality($3::text[])
        WHERE id = $2 AND owner = $1 AND {ALIVE}
        RETURNING id, next_place - cardinality($3::text[]) AS first
    ), added AS (
        INSERT INTO conversation_items (conversation_id, place, owner, id, body)
        SELECT target.id, target.first + entry.place - 1, $1, entry.id, entry.body
        FROM target, unnest($3::text[], $4::bytea[]) WITH ORDINALITY AS entry (id, body, place)
        ON CONFLICT (conversation_id, id) DO NOTHING
    )
    SELECT FROM target
"""
ITEM = f"""
    SELECT item.body FROM conversation_items item JOIN conversations holder ON holder.id = item.conversation_id
    WHERE holder.id = $2 AND holder.owner = $1 AND {ALIVE} AND item.id = $3
"""
DELETE_ITEM = f"""
    DELETE FROM conversation_items item USING conversations holder
    WHERE holder.id = $2 AND holder.owner = $1 AND {ALIVE} AND item.conversation_id = $2 AND item.id = $3
    RETURNING 1
"""

# No row means that the conversation does not exist, or the item before the page; an item of NULL means that the page is
# empty.
_PAGE = f"""
    WITH start AS (
        SELECT holder.id, (SELECT place FROM conversation_items WHERE conversation_id = $2 AND id = $3) AS place
        FROM conversations holder WHERE holder.id = $2 AND owner = $1 AND {ALIVE}
    )
    SELECT page.id,
        CASE WHEN $5::bigint IS NULL OR sum(octet_length(page.body)) OVER () <= $5 THEN page.body END AS body,
        coalesce(sum(octet_length(page.body)) OVER (), 0)::bigint AS bytes
    FROM start LEFT JOIN LATERAL (
        SELECT item.id, item.body, item.place FROM conversation_items item
        WHERE item.conversation_id = start.id AND ($3::text IS NULL OR item.place {{behind}} start.place)
        ORDER BY item.place {{order}} LIMIT $4
    ) AS page ON true
    WHERE $3::text IS NULL OR start.place IS NOT NULL
    ORDER BY page.place {{order}}
"""
PAGE = {"asc": _PAGE.format(behind=">", order="ASC"), "desc": _PAGE.format(behind="<", order="DESC")}

LOCK = f"""
    UPDATE conversations SET writer = $2, written_until = $4
    WHERE id = $1 AND {ALIVE} AND (writer IS NULL OR writer = $2 OR written_until <= $3)
    RETURNING 1
"""
UNLOCK = "UPDATE conversations SET writer = NULL WHERE id = $1 AND writer = $2"


class Conversations(StorePart):
    """Conversations and their items."""

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """Add a conversation with its first items."""
        await self._database.change(
            SAVE,
            conversation.id,
            conversation.owner,
            conversation.created_at,
            conversation.expires_at,
            conversation.metadata,
            *arrays(items),
        )

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """One conversation."""
        rows = await self._database.read(READ, owner, conversation_id)
        return StoredConversation(**rows[0]) if rows else None

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """Replace its metadata."""
        return bool(await self._database.change(UPDATE, owner, conversation_id, metadata))

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """Delete it; the schema's cascades delete its items."""
        return bool(await self._database.change(DELETE, owner, conversation_id))

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """Add items at its end."""
        return bool(await self._database.change(ADD, owner, conversation_id, *arrays(items)))

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
        """Some of its items. One more than requested is read, to know whether there are more."""
        more = None if limit is None else limit + 1
        rows = await self._database.read(PAGE[order], owner, conversation_id, after, more, bytes_max)
        if not rows:
            return None
        check_bytes(rows, bytes_max)
        items = [StoredItem(row["id"], row["body"]) for row in rows if row["id"] is not None]
        return ItemPage(items[:limit], has_more=limit is not None and len(items) > limit)

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """The body of one of its items."""
        rows = await self._database.read(ITEM, owner, conversation_id, item_id)
        return rows[0]["body"] if rows else None

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """Delete one of its items."""
        return bool(await self._database.change(DELETE_ITEM, owner, conversation_id, item_id))

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """Lock it for a writer, if it is not locked for another one."""
        return bool(await self._database.change(LOCK, conversation_id, writer, now, until))

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """Unlock it."""
        await self._database.change(UNLOCK, conversation_id, writer)
