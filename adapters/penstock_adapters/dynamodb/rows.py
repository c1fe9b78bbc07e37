"""Rows of the table, and how a `StoredResponse` stands in one.

Every row has a partition and a sort key. A response and a conversation have a partition each, whose first row is the
`HEAD`; the rows of what belongs to it follow. A row whose `owner` was removed is missing for every client, and has the
owner as `gone` until all of its rows are removed.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Mapping
from typing import cast

from penstock.ports import ENDED, StoredConversation, StoredResponse
from penstock.wire import ResponseStatus

from .attributes import Row, Value
from .blobs import INLINE_BYTES_MAX, RUNNING_INLINE_BYTES_MAX, Split
from .items import bodies_of, index_of, items_of
from .table import Key
from .trails import Trail

HEAD = "head"
RESPONSE = "response#"
CONVERSATION = "conversation#"
SAVED_VERSION = "0"
"""The version of the blobs that are written once, when a response is saved."""
SAVED_BLOBS = ("input_index", "input", "request")
SETTLED_BLOBS = ("body", "output_index", "output")
LINK = ("owner", "status", "previous", "conversation", "expires", "near", "far")
"""The attributes of a response that a chain is followed by."""
INDEXES = ("input_index", "output_index", "saved_lengths", "lengths", "version")
"""The attributes that list the items of a response."""
SHARDS = 8
"""The partitions of the index of what expires: one partition takes a thousand changes a second."""
PURGE_S = 60.0
"""After how many seconds a removal that was interrupted is continued by a sweep."""
LIVE = "attribute_exists(#owner) AND (attribute_not_exists(#expires) OR #expires > :now)"
"""The condition that a row is there, and has not expired."""


class ByteBudget:
    """How many bytes of items may still be read."""

    def __init__(self, bytes_max: int | None) -> None:
        self.left = bytes_max

    def is_exceeded_by(self, size: int) -> bool:
        """Subtract a number of bytes. True where there are not as many."""
        if self.left is None:
            return False
        self.left -= size
        return self.left < 0


def response_key(response_id: str) -> Key:
    """The key of a response."""
    return Key(f"{RESPONSE}{response_id}", HEAD)


def conversation_key(conversation_id: str) -> Key:
    """The key of a conversation."""
    return Key(f"{CONVERSATION}{conversation_id}", HEAD)


def is_live(row: Mapping[str, Value] | None, now: float, owner: str | None = None) -> bool:
    """Whether a row is there, has not expired, and belongs to the owner, if one is given."""
    if row is None or "owner" not in row or owner not in (None, row["owner"]):
        return False
    return "expires" not in row or row["expires"] > now


def due(partition: str, at: float | None) -> dict[str, Value]:
    """The attributes by which a sweep finds a row at that time."""
    return {"shard": None if at is None else str(crc32(partition.encode()) % SHARDS), "due": at}


def inline_max(status: ResponseStatus) -> int:
    """How many bytes of its blobs a response's row has."""
    return INLINE_BYTES_MAX if status in ENDED else RUNNING_INLINE_BYTES_MAX


def saved_blobs(response: StoredResponse) -> Split:
    """The blobs that are written when a response is saved."""
    blobs = {"input_index": index_of(response.input), "input": bodies_of(response.input), "request": response.request}
    return Split(response_key(response.id).pk, blobs, SAVED_VERSION, inline_max(response.status))


def settled_blobs(response: StoredResponse, version: str) -> Split:
    """The blobs that each settling writes."""
    blobs = {"body": response.body, "output_index": index_of(response.output), "output": bodies_of(response.output)}
    return Split(response_key(response.id).pk, blobs, version, inline_max(response.status))


def response_row(response: StoredResponse, trail: Trail) -> Row:
    """The row of a response, without its blobs."""
    key = response_key(response.id)
    is_running = response.status not in ENDED
    return {
        "pk": key.pk,
        "sk": key.sk,
        "owner": response.owner,
        "status": response.status,
        "created": response.created_at,
        "expires": response.expires_at,
        "previous": response.previous_response_id,
        "conversation": response.conversation_id,
        "background": response.background or None,
        "running": is_running or None,
        "waiting": "1" if is_running and response.background else None,
        **due(key.pk, response.expires_at),
        **trail.attributes(),
    }


def response_from(row: Row, blobs: Mapping[str, bytes]) -> StoredResponse:
    """The response of a row and its blobs."""
    return StoredResponse(
        id=row["pk"].removeprefix(RESPONSE),
        owner=row["owner"],
        status=status_of(row),
        created_at=row["created"],
        expires_at=row.get("expires"),
        previous_response_id=row.get("previous"),
        conversation_id=row.get("conversation"),
        background=bool(row.get("background")),
        body=blobs["body"],
        input=items_of(blobs["input_index"], blobs["input"]),
        output=items_of(blobs["output_index"], blobs["output"]),
        request=blobs["request"],
    )


def conversation_from(row: Row) -> StoredConversation:
    """The conversation of a row."""
    return StoredConversation(
        id=row["pk"].removeprefix(CONVERSATION),
        owner=row["owner"],
        created_at=row["created"],
        expires_at=row.get("expires"),
        metadata=row.get("metadata", b""),
    )


def status_of(row: Mapping[str, Value]) -> ResponseStatus:
    """The status of a response."""
    return cast(ResponseStatus, row["status"])
