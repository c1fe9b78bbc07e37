"""Rows as Redis stores them, and as the port has them.

A response's items are packed in one field, the id and body each behind its length: items that are read and deleted
together cost one entry. (Redis' own msgpack for Lua does not support binary data.)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import cast

from penstock.ports import StoredConversation, StoredItem, StoredResponse, TooManyBytes
from penstock.wire import ResponseStatus

from .pipeline import Argument

RESPONSE = ("owner", "status", "created", "expires", "previous", "conversation", "background", "body", "input")
RESPONSE_FIELDS = (*RESPONSE, "output", "request")
"""The fields of a `StoredResponse`, in the order of `response_from`."""
CONVERSATION_FIELDS = ("owner", "created", "expires", "metadata")
"""The fields of a `StoredConversation`, in the order of `conversation_from`."""

_LENGTH = Struct("<I")


class ByteBudget:
    """How many bytes of items may still be read."""

    def __init__(self, bytes_max: int | None) -> None:
        self._left = bytes_max

    def take(self, bodies: Iterable[bytes]) -> None:
        """Raises `TooManyBytes`."""
        if self._left is not None:
            self._left -= sum(map(len, bodies))
            if self._left < 0:
                raise TooManyBytes


def pack(items: Sequence[StoredItem]) -> bytes:
    """Items as one value, which Lua can read too."""
    pieces: list[bytes] = []
    for item in items:
        item_id = item.id.encode()
        pieces += (_LENGTH.pack(len(item_id)), item_id, _LENGTH.pack(len(item.body)), item.body)
    return b"".join(pieces)


def unpack(value: bytes) -> list[StoredItem]:
    """The items of a packed value."""
    items: list[StoredItem] = []
    at = 0
    while at < len(value):
        item_id, at = _piece(value, at)
        body, at = _piece(value, at)
        items.append(StoredItem(item_id.decode(), body))
    return items


def _piece(value: bytes, at: int) -> tuple[bytes, int]:
    start = at + _LENGTH.size
    end = start + int(_LENGTH.unpack_from(value, at)[0])
    return value[start:end], end


def items_from(flat: Sequence[bytes]) -> list[StoredItem]:
    """Items that are listed as id, body, id, body."""
    return [StoredItem(flat[i].decode(), flat[i + 1]) for i in range(0, len(flat), 2)]


def new_token() -> bytes:
    """A token that identifies a call and its repetitions."""
    return os.urandom(8)


def response_arguments(response: StoredResponse) -> list[Argument]:
    """A response as the arguments of `save`."""
    return [
        response.id,
        response.owner,
        response.status,
        response.created_at,
        _optional(response.expires_at),
        response.previous_response_id or "",
        response.conversation_id or "",
        "1" if response.background else "",
        response.body,
        pack(response.input),
        pack(response.output),
        response.request,
    ]


def response_from(response_id: str, values: Sequence[bytes | None]) -> StoredResponse | None:
    """A response from the values of `RESPONSE_FIELDS`; None where there are none."""
    owner, status, created, expires, previous, conversation, background, body, given, output, request = values
    if owner is None or status is None or created is None or body is None or given is None or output is None:
        return None
    return StoredResponse(
        id=response_id,
        owner=owner.decode(),
        status=status_from(status),
        created_at=int(created),
        expires_at=int(expires) if expires else None,
        previous_response_id=text(previous),
        conversation_id=text(conversation),
        background=background is not None,
        body=body,
        input=unpack(given),
        output=unpack(output),
        request=request or b"",
    )


def conversation_arguments(conversation: StoredConversation) -> list[Argument]:
    """A conversation as the arguments of `save_conversation`."""
    return [
        conversation.id,
        conversation.owner,
        conversation.created_at,
        _optional(conversation.expires_at),
        conversation.metadata,
    ]


def conversation_from(conversation_id: str, values: Sequence[bytes | None]) -> StoredConversation | None:
    """A conversation from the values of `CONVERSATION_FIELDS`; None where there are none."""
    owner, created, expires, metadata = values
    if owner is None or created is None or metadata is None:
        return None
    return StoredConversation(
        id=conversation_id,
        owner=owner.decode(),
        created_at=int(created),
        expires_at=int(expires) if expires else None,
        metadata=metadata,
    )


def status_from(value: bytes) -> ResponseStatus:
    """A status from a stored row."""
    return cast(ResponseStatus, value.decode())


def text(value: bytes | None) -> str | None:
    """A text that may be absent."""
    return value.decode() if value else None


def _optional(value: int | None) -> Argument:
    return "" if value is None else value
