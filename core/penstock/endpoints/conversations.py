"""The routes of conversations and their items.

They know OpenAI's words for them; rows are the store's. A conversation's items are its own copies: deleting it takes
nothing from the responses that were made in it.
"""

from __future__ import annotations

import msgspec

from penstock import ids
from penstock.endpoints.included import shown
from penstock.endpoints.pages import page_reply, unknown_after
from penstock.endpoints.request_context import Call
from penstock.endpoints.responses import needed
from penstock.engine import Engine, read_chat_parts, stored_input
from penstock.errors import ApiError, invalid, not_found
from penstock.http import Reply, json_reply
from penstock.ports import ItemPage, Store, StoredConversation, StoredItem
from penstock.wire import (
    CONVERSATION_ITEMS_MAX,
    CompactionTrigger,
    Conversation,
    CreateConversation,
    CreateConversationItems,
    Deleted,
    InputItem,
    ItemReference,
    UpdateConversation,
)

_encode = msgspec.json.Encoder().encode


class Conversations:
    """`/conversations` and everything under it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, call: Call) -> Reply:
        """`POST /conversations`."""
        asked = await call.struct(CreateConversation, CONVERSATION_ITEMS_MAX)
        now = ids.now_s()
        row = StoredConversation(
            id=ids.new_id("conv_"),
            owner=call.owner,
            created_at=now,
            expires_at=now + int(self._engine.limits.retention_s),
            metadata=_encode(asked.metadata or {}),
        )
        await self._store().save_conversation(row, _stored(asked.items or []))
        return _told(row)

    async def retrieve(self, call: Call) -> Reply:
        """`GET /conversations/{id}`."""
        return _told(await self._row(call))

    async def update(self, call: Call) -> Reply:
        """`POST /conversations/{id}`: its metadata."""
        metadata = _encode((await call.struct(UpdateConversation)).metadata or {})
        if not await self._store().update_conversation(call.owner, call.ids[0], metadata):
            raise _unknown(call.ids[0])
        return _told(await self._row(call))

    async def delete(self, call: Call) -> Reply:
        """`DELETE /conversations/{id}`."""
        if not await self._store().delete_conversation(call.owner, call.ids[0]):
            raise _unknown(call.ids[0])
        return json_reply(_encode(Deleted(id=call.ids[0], object="conversation.deleted")))

    async def items(self, call: Call) -> Reply:
        """`GET /conversations/{id}/items`."""
        include = call.include()
        page = await self._page(call)
        if page is None:
            await self._row(call)
            raise unknown_after(call.after() or "")
        return page_reply(page, include)

    async def add_items(self, call: Call) -> Reply:
        """`POST /conversations/{id}/items`: the items as they were added."""
        include = call.include()
        items = _stored((await call.struct(CreateConversationItems, CONVERSATION_ITEMS_MAX)).items)
        if not await self._store().add_items(call.owner, call.ids[0], items):
            raise _unknown(call.ids[0])
        return page_reply(ItemPage(items, has_more=False), include)

    async def item(self, call: Call) -> Reply:
        """`GET /conversations/{id}/items/{item_id}`."""
        include = call.include()
        body = await self._store().item(call.owner, *call.ids)
        if body is None:
            raise _unknown_item(call.ids[1])
        return json_reply(bytes(shown(StoredItem(call.ids[1], body), include)))

    async def delete_item(self, call: Call) -> Reply:
        """`DELETE /conversations/{id}/items/{item_id}`: the conversation that is left."""
        row = await self._row(call)
        if not await self._store().delete_item(call.owner, call.ids[0], call.ids[1]):
            raise _unknown_item(call.ids[1])
        return _told(row)

    async def _page(self, call: Call) -> ItemPage | None:
        return await self._store().page_items(
            call.owner, call.ids[0], after=call.after(), limit=call.limit(), order=call.order()
        )

    async def _row(self, call: Call) -> StoredConversation:
        row = await self._store().conversation(call.owner, call.ids[0])
        if row is None:
            raise _unknown(call.ids[0])
        return row

    def _store(self) -> Store:
        return needed(self._engine.store)


def _stored(items: list[InputItem]) -> list[StoredItem]:
    for index, item in enumerate(items):
        if isinstance(item, ItemReference | CompactionTrigger):
            message = "A conversation takes items, and no references or triggers, which only ask for something."
            raise invalid(message, f"items[{index}].type")
    read_chat_parts(items, "items")
    return [stored_input(item, ids.new_id) for item in items]


def _told(row: StoredConversation) -> Reply:
    metadata = msgspec.json.decode(row.metadata, type=dict[str, str])
    return json_reply(_encode(Conversation(id=row.id, created_at=row.created_at, metadata=metadata)))


def _unknown(conversation_id: str) -> ApiError:
    return not_found(f"Conversation with id '{conversation_id}' not found.")


def _unknown_item(item_id: str) -> ApiError:
    return not_found(f"Item with id '{item_id}' not found in this conversation.", param="item_id")
