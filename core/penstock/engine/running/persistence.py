"""Persistence: what a run stores when it ends, before its client sees the end.

It knows rows and when they are written. The JSON in them is defined in `penstock.wire`; stores write them.
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
    """The end of a response: the Response, and data of its items that no client receives."""

    def __init__(self, response: Response, events: Sequence[Event], returned: Mapping[str, Returned]) -> None:
        self.response = response
        self.events = events
        """The events that no reader has received yet."""
        self.returned = returned
        """The upstream fields of its items, which clients do not see, by the items' ids."""

    @cached_property
    def body(self) -> bytes:
        """The Response as JSON; the store and the client receive the same bytes."""
        # spec: responses-encoded-once
        return encode(self.response)

    def output(self) -> list[OutputItem]:
        """The output items, with their upstream fields."""
        if not self.returned:
            return self.response.output
        wanted = [(item, self.returned.get(str(item.id))) for item in self.response.output]
        return [item if fields is None else carry(item, fields) for item, fields in wanted]


class ResponseSaver(Protocol):
    """Saves the response of a run."""

    async def save(self, ending: Ending) -> None:
        """Save the response with this end. Raises `ApiError` where it cannot be saved; then it has not ended so."""

    async def close(self) -> None:
        """The run is over, successful or not."""


class ConversationWriter:
    """The lock of one response on its conversation, renewed while the response runs."""

    def __init__(self, store: Store, conversation_id: str, response_id: str, limits: Limits, clock_s: Clock) -> None:
        self._store = store
        self._conversation_id = conversation_id
        self._response_id = response_id
        self._lock_s = limits.writer_lock_s
        self._clock_s = clock_s
        self._renewing: asyncio.Task[None] | None = None

    async def lock(self) -> None:
        """Lock the conversation. Raises `ApiError` 400 while another response has the lock."""
        if not await self._take():
            message = "Another response is being written to this conversation; it takes one at a time."
            raise invalid(message, "conversation", "conversation_locked")
        self._renewing = asyncio.ensure_future(self._renew())

    def stop_renewing(self) -> None:
        """Stop renewing: the process that runs the response does that."""
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None

    async def unlock(self) -> None:
        """Unlock the conversation."""
        if self._renewing is not None:
            self.stop_renewing()
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


class TurnSaver:
    """Saves a response that a client waits for: one row when it ends, and its items in its conversation."""

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

    async def save(self, ending: Ending) -> None:
        """Save the turn."""
        row = await offload(
            self._context.size, ended_turn, ending, self._owner, self._context, self._limits, self._new_id
        )
        if not await self._store.save(row):
            # spec: deleted-conversations
            raise await conversation_lost(self._store, row)

    async def close(self) -> None:
        """Unlock the conversation."""
        if self._writer is not None:
            await self._writer.unlock()


def begun_turn(response: Response, owner: str, context: Context, limits: Limits, new_id: NewId) -> StoredResponse:
    """The row of a turn at its beginning: its input, and what it refers to."""
    return _turn(response, encode(response), owner, context, limits, new_id)


def ended_turn(ending: Ending, owner: str, context: Context, limits: Limits, new_id: NewId) -> StoredResponse:
    """The row of a turn that is stored only when it ends."""
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
    """The row of a turn that was stored at its beginning, at its end."""
    return replace(row, status=ending.response.status, body=ending.body, output=_stored_output(ending), request=b"")


def _stored_output(ending: Ending) -> list[StoredItem]:
    return [StoredItem(str(item.id), encode(item)) for item in ending.output()]


def stored_input(item: InputItem, new_id: NewId) -> StoredItem:
    """An input item under a new id, in the long form in which items are listed."""
    item_id = new_id(item.id_prefix)
    # spec: stored-secrets
    item = redacted_item(item).long_form()
    if "status" in item.__struct_fields__ and not isinstance(item, UnknownItem):  # an unknown item may have none
        item = replace(item, id=item_id, status=item.status or "completed")  # type: ignore[union-attr]
    else:
        item = replace(item, id=item_id)
    return StoredItem(item_id, encode(item))


async def conversation_lost(store: Store, row: StoredResponse) -> ApiError:
    """The error for a response that its conversation did not accept: it was deleted, or another writer has the lock."""
    conversation_id = row.conversation_id
    if conversation_id is None or await store.conversation(row.owner, conversation_id) is None:
        message = f"The conversation '{conversation_id}' was deleted while the response was being written to it."
        return not_found(message, "conversation_deleted")
    message = f"The conversation '{conversation_id}' was given to another response while this one was being written."
    return ApiError(message, status=409, code="conversation_locked", retriable=False)
