"""The routes of conversations and their items.

They know OpenAI's Conversations API. The store has the rows. A conversation has its own copies of items: deleting it
removes nothing from its responses.
"""

from __future__ import annotations

import msgspec

from penstock import ids
from penstock.endpoints.included import listed
from penstock.endpoints.pages import page_reply, unknown_after
from penstock.endpoints.request_context import RequestContext
from penstock.endpoints.responses import require_store
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

    async def create(self, request: RequestContext) -> Reply:
        """`POST /conversations`."""
        body = await request.struct(CreateConversation, CONVERSATION_ITEMS_MAX)
        now = ids.now_s()
        row = StoredConversation(
            id=ids.new_id("conv_"),
            owner=request.owner,
            created_at=now,
            expires_at=now + int(self._engine.limits.retention_s),
            metadata=_encode(body.metadata or {}),
        )
        await self._store().save_conversation(row, _stored(body.items or []))
        return _conversation_reply(row)

    async def retrieve(self, request: RequestContext) -> Reply:
        """`GET /conversations/{id}`."""
        return _conversation_reply(await self._row(request))

    async def update(self, request: RequestContext) -> Reply:
        """`POST /conversations/{id}`: its metadata."""
        metadata = _encode((await request.struct(UpdateConversation)).metadata or {})
        if not await self._store().update_conversation(request.owner, request.ids[0], metadata):
            raise _unknown(request.ids[0])
        return _conversation_reply(await self._row(request))

    async def delete(self, request: RequestContext) -> Reply:
        """`DELETE /conversations/{id}`."""
        if not await self._store().delete_conversation(request.owner, request.ids[0]):
            raise _unknown(request.ids[0])
        return json_reply(_encode(Deleted(id=request.ids[0], object="conversation.deleted")))

    async def items(self, request: RequestContext) -> Reply:
        """`GET /conversations/{id}/items`."""
        include = request.include()
        page = await self._page(request)
        if page is None:
            await self._row(request)
            raise unknown_after(request.after() or "")
        return page_reply(page, include)

    async def add_items(self, request: RequestContext) -> Reply:
        """`POST /conversations/{id}/items`: the added items."""
        include = request.include()
        items = _stored((await request.struct(CreateConversationItems, CONVERSATION_ITEMS_MAX)).items)
        if not await self._store().add_items(request.owner, request.ids[0], items):
            raise _unknown(request.ids[0])
        return page_reply(ItemPage(items, has_more=False), include)

    async def item(self, request: RequestContext) -> Reply:
        """`GET /conversations/{id}/items/{item_id}`."""
        include = request.include()
        body = await self._store().item(request.owner, *request.ids)
        if body is None:
            raise _unknown_item(request.ids[1])
        return json_reply(bytes(listed(StoredItem(request.ids[1], body), include)))

    async def delete_item(self, request: RequestContext) -> Reply:
        """`DELETE /conversations/{id}/items/{item_id}`: the conversation."""
        row = await self._row(request)
        if not await self._store().delete_item(request.owner, request.ids[0], request.ids[1]):
            raise _unknown_item(request.ids[1])
        return _conversation_reply(row)

    async def _page(self, request: RequestContext) -> ItemPage | None:
        return await self._store().page_items(
            request.owner, request.ids[0], after=request.after(), limit=request.limit(), order=request.order()
        )

    async def _row(self, request: RequestContext) -> StoredConversation:
        row = await self._store().conversation(request.owner, request.ids[0])
        if row is None:
            raise _unknown(request.ids[0])
        return row

    def _store(self) -> Store:
        return require_store(self._engine.store)


def _stored(items: list[InputItem]) -> list[StoredItem]:
    for index, item in enumerate(items):
        if isinstance(item, ItemReference | CompactionTrigger):
            message = "A conversation takes items, and no references or triggers, which only ask for something."
            raise invalid(message, f"items[{index}].type")
    read_chat_parts(items, "items")
    return [stored_input(item, ids.new_id) for item in items]


def _conversation_reply(row: StoredConversation) -> Reply:
    metadata = msgspec.json.decode(row.metadata, type=dict[str, str])
    return json_reply(_encode(Conversation(id=row.id, created_at=row.created_at, metadata=metadata)))


def _unknown(conversation_id: str) -> ApiError:
    return not_found(f"Conversation with id '{conversation_id}' not found.")


def _unknown_item(item_id: str) -> ApiError:
    return not_found(f"Item with id '{item_id}' not found in this conversation.", param="item_id")
