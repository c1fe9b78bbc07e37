"""The port to a store: responses, their events, conversations, and leases of background responses.

It knows rows and guarantees. Bodies are JSON that no store reads. Times are Unix seconds. Leases and sweeps use the
caller's clock, which is passed as `now`. Only the expiry of a row is judged by the clock of the store's engine: an
expired row is treated as missing, swept or not. Every row has an owner, and is missing for all other owners.

The guarantees, which `tests/conformance` checks for every store:

* when a method has returned, its change is durable, as the engine's settings define it, and every replica reads it;
* `settle` ends a response once: of two callers, one gets False;
* a `fence` that is no longer that of the lease is refused, so that a replica that lost its lease changes nothing;
* the cost of a turn depends on what it adds, and not on the length of the history before it.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Literal, Protocol, runtime_checkable

import msgspec

from penstock.wire import ResponseStatus

ENDED: frozenset[str] = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""The statuses of a response that has ended."""


class StoredItem(msgspec.Struct, frozen=True):
    """One item of an input, an output or a conversation, as JSON."""

    id: str
    body: bytes


class StoredResponse(msgspec.Struct, kw_only=True):
    """A response in a store."""

    id: str
    owner: str
    status: ResponseStatus
    created_at: int
    expires_at: int | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    background: bool = False
    body: bytes
    """The current Response as JSON, with `output`."""
    input: list[StoredItem] = []
    """The items that this turn added, in order, without those of earlier turns."""
    output: list[StoredItem] = []
    """The items that the model generated. They are set when the response ends."""
    request: bytes = b""
    """The request, while another process may have to run the background response again."""


class Claim(msgspec.Struct, frozen=True):
    """The right to work on a response. A later claim of it has a higher `fence`."""

    response_id: str
    fence: int


class EventBatch(msgspec.Struct, frozen=True):
    """Events as they are sent. `first` is the sequence number of the first event in `data`."""

    first: int
    data: bytes


class StoredConversation(msgspec.Struct, kw_only=True):
    """A conversation, without its items."""

    id: str
    owner: str
    created_at: int
    expires_at: int | None = None
    metadata: bytes = b"{}"
    """A JSON object."""


class ItemPage(msgspec.Struct, frozen=True):
    """Items in the requested order, and whether more follow."""

    items: list[StoredItem]
    has_more: bool


class ChainTooLong(Exception):
    """A chain has more responses than the limit allows."""


class TooManyBytes(Exception):
    """The items of an answer have more bytes than the limit allows."""


class ResponseStore(Protocol):
    """Responses and the items in them."""

    async def save(self, response: StoredResponse) -> bool:
        """Add a response with its items. Its id is new. The ids of its items may exist already, in any row.

        If its status is `completed` and it has a conversation, the same transaction appends its items, input and
        output, to the conversation. Returns False, and saves nothing, where the conversation does not exist or has
        another writer. The writer is the last response that locked it and did not unlock it, however long ago.
        """

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """Set the status, body and output of a response that has not ended, and remove its `request`.

        Returns False, and changes nothing, where it has ended or does not exist, where `fence` is given and is no
        longer that of the lease, or where `save` would return False. The new status may be one that has not ended. All
        other fields, the input too, stay as they were saved. A response that has ended loses its lease.
        """

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """One response. None where it does not exist, has another owner, or has expired."""

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """Remove a response, its items, events and lease. Items of conversations stay. False where there is none."""

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """The response and all before it, the oldest first, in at most three round trips. Empty where there is none.

        Only `id`, `status`, `previous_response_id`, `conversation_id`, `input` and `output` are filled in, and the last
        two only for responses that are not in `known`, which the store may ask from any thread. Raises `ChainTooLong`,
        and `TooManyBytes` for the bodies of all items that are read. Where a response of the chain was deleted or has
        expired, the chain begins after it.
        """

    async def page_input_items(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        limit: int,
        after: str | None = None,
        order: Literal["asc", "desc"] = "asc",
    ) -> ItemPage | None:
        """The items behind `after` that the response was made from: those of the chain before it, and its own input.

        No bodies are read but those of the page. Of several items with the id `after`, the first in the order counts.
        None where the response, or that item, is not there. Raises `ChainTooLong`.
        """

    async def find_items(
        self, owner: str, item_ids: Collection[str], *, bytes_max: int | None = None
    ) -> dict[str, bytes]:
        """The bodies of those items that exist, in responses and conversations. Of equal ids, one is returned.

        Raises `TooManyBytes` where all of them together have more bytes than `bytes_max`.
        """


class EventLog(Protocol):
    """The events of background responses."""

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """Append events to the log of a response.

        Returns False where the claim has lost the lease. So the log of an ended response is complete.
        """

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """The batches that contain an event with a number greater than `after`, in order, a limited number of them.

        The first batch may begin before that event. Since no store counts the events of a batch, the last batch may be
        returned again where there is no newer event.
        """

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Wait until a batch begins after `after`, the response has ended or is gone, or the time is up, or less."""


class Leases(Protocol):
    """Which process runs which background response. A response that has ended has no lease."""

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """Take the lease of a response that has not ended, unless another lease is in force. Fences count from 1.

        A lease is in force until just before `until`.
        """

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """Prolong these leases. Returns the ids of those that are lost.

        A lease is lost when the response has ended or is gone, when it was released, or when another process claimed
        it, but not by time alone.
        """

    async def release(self, claim: Claim) -> None:
        """Release a lease, so that another replica can take it at once."""

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """Background responses that have not ended and have no lease in force, the oldest first."""


class ConversationStore(Protocol):
    """Conversations and their items. An item that a conversation contains already is not added again."""

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """Add a conversation with its first items."""

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """One conversation. None where it does not exist, has another owner, or has expired."""

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """Replace the metadata of a conversation. False where it does not exist."""

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """Remove a conversation and its items, but no items of responses. False where it does not exist."""

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """Append items to a conversation, in order. False where it does not exist."""

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
        """The items of a conversation after `after`. Without `limit`, it is all of them.

        None where the conversation or the item `after` does not exist. Raises `TooManyBytes` for all bodies together.
        """

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """The body of one item of a conversation. None where either does not exist."""

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """Remove one item of a conversation. False where either does not exist."""

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """Make `writer`, the id of a response, the writer, or prolong that. False while another response is."""

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """Remove the writer, if it is `writer`."""


@runtime_checkable
class Marks(Protocol):
    """Marks: names of which each can be set once, such as the id of an approval that was used.

    A store has this beside `Store` where its engine can compare and set. A repeated call that is refused is safe, a
    call that is allowed twice is not: so a call whose answer is lost may be one that has set the mark.
    """

    async def mark_once(self, owner: str, name: str, *, expires_at: int) -> bool:
        """Set a mark. Of all calls for one owner and name, one gets True until the mark expires, by any replica."""


class Store(ResponseStore, EventLog, Leases, ConversationStore, Protocol):
    """The whole store, in one engine."""

    async def migrate(self) -> None:
        """Create or update the schema. It may be called on every start, by many replicas at once."""

    async def check(self) -> None:
        """Check that rows can be read and written now. Raises `ApiError` where they cannot."""

    async def time_s(self) -> float:
        """The time in Unix seconds, by the clock of the engine, which all replicas share."""

    async def sweep(self, *, now: float, limit: int) -> int:
        """Remove up to `limit` expired responses, conversations and marks, with their contents. Returns their number.

        A store whose engine removes expired marks by itself does not count them.
        """

    async def stats(self) -> dict[str, int]:
        """The number of rows of each kind, and `bytes` where the engine knows it.

        `responses` and `conversations` are always present. In an empty store, every number but `bytes` is 0.
        """

    async def aclose(self) -> None:
        """Write pending changes and close the store."""
