"""Conversations and their items, in DynamoDB.

An item has a position, which only grows, so that later changes do not move a page. The row of a conversation shows
which positions are visible.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

from penstock.ports import ItemPage, StoredConversation, StoredItem, TooManyBytes

from .attributes import Row
from .blobs import BlobLost, new_version, read_blobs
from .expressions import both
from .items import home_key
from .responses import Responses
from .rows import LIVE, ByteBudget, conversation_from, conversation_key, due, is_live
from .table import ConditionFailed, Key, Query
from .turns import Turn, first_of_each, is_visible, item_key

_PAGE_ROWS = 100
"""How many rows are read at a time."""


class Conversations(Responses):
    """A `ConversationStore`."""

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """See `ConversationStore`. Raises `ValueError` where the id is taken."""
        key, token = conversation_key(conversation.id), new_version()
        fresh = [*first_of_each(items)]
        row: Row = {
            "pk": key.pk,
            "sk": key.sk,
            "owner": conversation.owner,
            "created": conversation.created_at,
            "expires": conversation.expires_at,
            "metadata": conversation.metadata,
            "next": len(fresh),
            "pending": {"token": token, "first": 0, "at": self._now_s()} if fresh else None,
            "version": token,
            **due(key.pk, conversation.expires_at),
        }
        try:
            await self._table.put(row, "attribute_not_exists(#pk) OR #version = :version", {"version": token})
        except ConditionFailed:
            raise ValueError("a conversation has that id already") from None
        if fresh:
            turn = Turn(key, token, 0, len(fresh), None, conversation.expires_at, fresh, conversation.owner)
            await self._write_items(turn)
            await self._end_turn(turn)

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """See `ConversationStore`."""
        row = await self._there(owner, conversation_id)
        return None if row is None else conversation_from(row)

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """See `ConversationStore`."""
        changes = "SET #metadata = :metadata" if metadata else "REMOVE #metadata"
        values: Row = {"metadata": metadata} if metadata else {}
        return await self._change(conversation_id, changes, "#owner = :owner", {"owner": owner, **values})

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """See `ConversationStore`. The first step hides it. A sweep completes what was interrupted."""
        row = await self._hide(conversation_key(conversation_id), self._now_s(), owner)
        if row is None:
            return False
        await self._purge_conversation(row)
        return True

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """See `ConversationStore`."""
        turn = await self._begin_turn(owner, conversation_id, None, items)
        await self._end_turn(turn)
        return turn is not None

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
        """See `ConversationStore`."""
        row = await self._there(owner, conversation_id)
        if row is None:
            return None
        behind = None
        if after is not None:
            behind = await self._position(row, after)
            if behind is None:
                return None
        budget = ByteBudget(bytes_max)
        items: list[StoredItem] = []
        async with aclosing(self._items(row, behind, is_ascending=order == "asc")) as found:
            async for each in found:
                if len(items) == limit:
                    return ItemPage(items, has_more=True)
                if budget.is_exceeded_by(each["size"]):
                    raise TooManyBytes
                items.append(StoredItem(each["id"], await self._body(each)))
        return ItemPage(items, has_more=False)

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """See `ConversationStore`."""
        row = await self._there(owner, conversation_id)
        position = None if row is None else await self._position(row, item_id)
        if row is None or position is None:
            return None
        found = await self._table.get(item_key(row["pk"], position))
        try:
            return None if found is None else await self._body(found)
        except BlobLost:
            return None

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """See `ConversationStore`."""
        row = await self._there(owner, conversation_id)
        position = None if row is None else await self._position(row, item_id)
        if row is None or position is None:
            return False
        key = item_key(row["pk"], position)
        try:
            await self._table.delete(key, "#id = :id", {"id": item_id})
        except ConditionFailed:
            return False
        where = "#pk = :pk AND begins_with(#sk, :piece)"
        pieces = Query(where=where, values={"pk": key.pk, "piece": f"piece#body#{position}#"}, attributes=("pk", "sk"))
        gone = [Key(each["pk"], each["sk"]) async for page in self._table.pages(pieces) for each in page]
        await self._table.write(gone=[home_key(owner, item_id, row["pk"]), *gone])
        return True

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """See `ConversationStore`."""
        condition = "attribute_not_exists(#writer) OR #writer = :writer OR #writer_until <= :at"
        changes = "SET #writer = :writer, #writer_until = :until"
        return await self._change(conversation_id, changes, condition, {"writer": writer, "at": now, "until": until})

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """See `ConversationStore`."""
        await self._change(conversation_id, "REMOVE #writer, #writer_until", "#writer = :writer", {"writer": writer})

    async def _there(self, owner: str, conversation_id: str) -> Row | None:
        """The row of a conversation that the owner may read. Its reservation is ended where that is decided."""
        row = await self._table.get(conversation_key(conversation_id))
        if not is_live(row, self._now_s(), owner):
            return None
        if row is not None and "pending" in row and await self._is_decided(row["pending"]):
            del row["pending"]
        return row

    async def _change(self, conversation_id: str, changes: str, condition: str, values: Row) -> bool:
        key = conversation_key(conversation_id)
        try:
            await self._table.update(key, changes, both(LIVE, condition), values | {"now": self._now_s()})
        except ConditionFailed:
            return False
        return True

    async def _position(self, row: Row, item_id: str) -> int | None:
        """The position of an item that is visible."""
        home = await self._table.get(home_key(row["owner"], item_id, row["pk"]))
        if home is None or not is_visible(row, home["position"]):
            return None
        found = await self._table.get(item_key(row["pk"], home["position"]), ("id",))
        return home["position"] if found is not None and found.get("id") == item_id else None

    async def _items(self, row: Row, behind: int | None, *, is_ascending: bool) -> AsyncGenerator[Row]:
        """The rows of visible items behind a position, in order."""
        first, last = 0, row["next"]
        if behind is not None:
            first, last = (behind + 1, last) if is_ascending else (first, behind - 1)
        if last < first:
            return
        values = {"pk": row["pk"], "first": item_key("", first).sk, "last": item_key("", last).sk}
        where = "#pk = :pk AND #sk BETWEEN :first AND :last"
        query = Query(where=where, values=values, limit=_PAGE_ROWS, is_ascending=is_ascending)
        async with aclosing(self._table.pages(query)) as pages:
            async for page in pages:
                for each in page:
                    if is_visible(row, position_of(each)):
                        yield each

    async def _body(self, row: Row) -> bytes:
        """The body of an item's row. Raises `BlobLost`."""
        version = str(position_of(row))
        return (await read_blobs(self._table, row["pk"], row, ["body"], "lengths", version))["body"]

    async def _purge_conversation(self, row: Row) -> None:
        """Remove all rows of a hidden conversation, its own the last."""
        where = "#pk = :pk AND begins_with(#sk, :item)"
        query = Query(where=where, values={"pk": row["pk"], "item": "item#"}, attributes=("id",))
        async for page in self._table.pages(query):
            await self._table.write(gone={home_key(row["gone"], each["id"], row["pk"]) for each in page})
        await self._purge(row, [])


def position_of(row: Row) -> int:
    """The position of an item's row."""
    return int(row["sk"].removeprefix("item#"))
