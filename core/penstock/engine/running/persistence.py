"""Keeping: what a run leaves in the store when it ends, before its client sees the end.

It knows rows and when they are written. What the words in them are, `penstock.wire` says; how they are written, stores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

from msgspec.structs import replace

from penstock.engine.context.resolve import Context
from penstock.engine.offload import offload
from penstock.engine.planning.redaction import redacted_item
from penstock.errors import ApiError, invalid, not_found
from penstock.ids import Clock, NewId
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.ports import Store, StoredItem, StoredResponse
from penstock.returned import Returned, carry
from penstock.wire import (
    Event,
    InputItem,
    OutputItem,
    Response,
    UnknownItem,
)

RENEWAL_SHARE = 1 / 3
"""The part of a lease's time after which it is renewed: two renewals may fail."""


class Ending:
    """How a response ends: the Response, and what belongs to it that no client has."""

    def __init__(self, response: Response, events: Sequence[Event], returned: Mapping[str, Returned]) -> None:
        self.response = response
        self.events = events
        """The events that no reader has seen yet."""
        self.returned = returned
        """What its items carry for the upstream beside what clients see, by their ids."""

    @cached_property
    def body(self) -> bytes:
        """The Response as JSON, which the store and the client get alike."""
        return encode(self.response)

    def said(self) -> list[OutputItem]:
        """The items of the output, each with what it carries for the upstream."""
        if not self.returned:
            return self.response.output
        wanted = [(item, self.returned.get(str(item.id))) for item in self.response.output]
        return [item if fields is None else carry(item, fields) for item, fields in wanted]


class Keeper(Protocol):
    """What a run tells of its end."""

    async def keep(self, ending: Ending) -> None:
        """The response ends so. Raises `ApiError` where that cannot be kept; then it has not ended so."""

    async def close(self) -> None:
        """The run is over, whether or not it ended well."""


class ConversationWriter:
    """The right of one response to write to its conversation, renewed for as long as it runs."""

    def __init__(self, store: Store, conversation_id: str, response_id: str, limits: Limits, clock_s: Clock) -> None:
        self._store = store
        self._conversation_id = conversation_id
        self._response_id = response_id
        self._lock_s = limits.writer_lock_s
        self._clock_s = clock_s
        self._renewing: asyncio.Task[None] | None = None

    async def lock(self) -> None:
        """Become the one writer. Raises `ApiError` 400 while another response is."""
        if not await self._take():
            message = "Another response is being written to this conversation; it takes one at a time."
            raise invalid(message, "conversation", "conversation_locked")
        self._renewing = asyncio.ensure_future(self._renew())

    def leave(self) -> None:
        """Renew no more: whoever works on the response will."""
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None

    async def unlock(self) -> None:
        """Let others write."""
        if self._renewing is not None:
            self.leave()
            await self._store.unlock_conversation(self._conversation_id, writer=self._response_id)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lock_s * RENEWAL_SHARE)
            await self._take()

    async def _take(self) -> bool:
        now = self._clock_s()
        return await self._store.lock_conversation(
            self._conversation_id, writer=self._response_id, now=now, until=now + self._lock_s
        )


class TurnKeeper:
    """Keeps a response that a client waits for: one row when it ends, and its items in its conversation."""

    def __init__(
        self,
        store: Store,
        owner: str,
        context: Context,
        limits: Limits,
        new_id: NewId,
        *,
        writer: ConversationWriter | None = None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._context = context
        self._limits = limits
        self._new_id = new_id
        self._writer = writer

    async def keep(self, ending: Ending) -> None:
        """Save the turn."""
        row = await offload(
            self._context.size, ended_turn, ending, self._owner, self._context, self._limits, self._new_id
        )
        if not await self._store.save(row):
            raise await conversation_lost(self._store, row)

    async def close(self) -> None:
        """Let the conversation go."""
        if self._writer is not None:
            await self._writer.unlock()


def begun_turn(response: Response, owner: str, context: Context, limits: Limits, new_id: NewId) -> StoredResponse:
    """The row of a turn as it begins: what it adds, and what it stands on."""
    return _turn(response, encode(response), owner, context, limits, new_id)


def ended_turn(ending: Ending, owner: str, context: Context, limits: Limits, new_id: NewId) -> StoredResponse:
    """The row of a turn that is stored when it ends, and not before."""
    row = _turn(ending.response, ending.body, owner, context, limits, new_id)
    row.output = _stored_output(ending)
    return row


def _turn(
    response: Response, body: bytes, owner: str, context: Context, limits: Limits, new_id: NewId
) -> StoredResponse:
    return StoredResponse(
        id=response.id,
        owner=owner,
        status=response.status,
        created_at=response.created_at,
        expires_at=response.created_at + int(limits.retention_s),
        previous_response_id=response.previous_response_id,
        conversation_id=context.conversation_id,
        background=response.background,
        body=body,
        input=[stored_input(item, new_id) for item in context.own],
    )


def ended_row(row: StoredResponse, ending: Ending) -> StoredResponse:
    """A row that is stored already, as its turn ends."""
    return replace(row, status=ending.response.status, body=ending.body, output=_stored_output(ending), request=b"")


def _stored_output(ending: Ending) -> list[StoredItem]:
    return [StoredItem(str(item.id), encode(item)) for item in ending.said()]


def stored_input(item: InputItem, new_id: NewId) -> StoredItem:
    """An input item under an id of its own, in the long form in which items are listed."""
    item_id = new_id(item.id_prefix)
    item = redacted_item(item).long_form()
    if "status" in item.__struct_fields__ and not isinstance(item, UnknownItem):  # an unknown item may have none
        item = replace(item, id=item_id, status=item.status or "completed")  # type: ignore[union-attr]
    else:
        item = replace(item, id=item_id)
    return StoredItem(item_id, encode(item))


async def conversation_lost(store: Store, row: StoredResponse) -> ApiError:
    """Why the store took no response for its conversation: that was deleted, or given to another writer, meanwhile."""
    conversation_id = row.conversation_id
    if conversation_id is None or await store.conversation(row.owner, conversation_id) is None:
        message = f"The conversation '{conversation_id}' was deleted while the response was being written to it."
        return not_found(message, "conversation_deleted")
    message = f"The conversation '{conversation_id}' was given to another response while this one was being written."
    return ApiError(message, status=409, code="conversation_locked", retriable=False)
