"""Conversations and their items, in Redis.

An item's position (`place`) is a number that only grows, in a sorted set: later changes do not move a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from penstock.ports import ItemPage, StoredConversation, StoredItem

from .pipeline import Pipeline
from .rows import (
    CONVERSATION_FIELDS,
    ByteBudget,
    conversation_arguments,
    conversation_from,
    items_from,
    new_token,
    pack,
)
from .scripts import PREFIX

PAGE_ITEMS_MAX = 1_000
"""How many items are read at a time."""
PAGE_BYTES_MAX = 4 * 2**20
"""A reply ends with the item that reaches this number of bytes."""


class Conversations:
    """A `ConversationStore`."""

    _pipeline: Pipeline

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """See `ConversationStore`. Raises `ValueError` where the id is taken."""
        arguments = conversation_arguments(conversation)
        if await self._pipeline.run("save_conversation", *arguments, pack(items), new_token()) == 2:
            raise ValueError("a conversation has that id already")

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """See `ConversationStore`."""
        values = await self._pipeline.command("HMGET", f"{PREFIX}c:{conversation_id}", *CONVERSATION_FIELDS)
        if values[0] != owner.encode():
            return None
        return conversation_from(conversation_id, values)

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """See `ConversationStore`."""
        return bool(await self._pipeline.run("update_conversation", conversation_id, owner, metadata))

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """See `ConversationStore`. The first step hides it; a long one is then deleted in slices."""
        done = await self._pipeline.run("delete_conversation", conversation_id, owner)
        is_found = bool(done)
        while done == 2:
            done = await self._pipeline.run("purge", conversation_id)
        return is_found

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """See `ConversationStore`."""
        return bool(await self._pipeline.run("add_items", conversation_id, owner, pack(items)))

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
        items: list[StoredItem] = []
        budget = ByteBudget(bytes_max)
        behind: tuple[str, str | bytes] = ("place", "") if after is None else ("item", after)
        while True:
            count = PAGE_ITEMS_MAX if limit is None else min(limit - len(items), PAGE_ITEMS_MAX)
            page = await self._pipeline.run("page_items", conversation_id, owner, *behind, count, PAGE_BYTES_MAX, order)
            if page is None:
                return None
            more, last, *rest = page
            fresh = items_from(rest)
            budget.take(item.body for item in fresh)
            items += fresh
            if not more or len(items) == limit:
                return ItemPage(items, has_more=bool(more))
            behind = ("place", last)

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """See `ConversationStore`."""
        body: bytes | None = await self._pipeline.run("item", conversation_id, owner, item_id)
        return body

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """See `ConversationStore`."""
        return bool(await self._pipeline.run("delete_item", conversation_id, owner, item_id))

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """See `ConversationStore`."""
        return bool(await self._pipeline.run("lock_conversation", conversation_id, writer, now, until))

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """See `ConversationStore`."""
        await self._pipeline.run("unlock_conversation", conversation_id, writer)
