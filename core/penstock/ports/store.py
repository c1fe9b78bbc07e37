"""The port to a store: responses, their events, conversations, and the leases of who works on what.

It knows rows and promises. Bodies are bytes of JSON that no store reads. Times are Unix seconds. Leases and sweeps go
by the caller's clock, which it passes as `now`; only whether a row has expired, a store judges by its engine's own, and
a row that has expired is as good as none, swept or not. Every row has an owner, and a row of another owner is as good
as none.

The promises, which one suite of tests holds every store to:

* what a method has returned from is durable, as far as the engine's own setting promises, and every replica reads it;
* `settle` changes a response that has not ended, once: of two callers one is told False;
* a `fence` that is no longer the lease's is refused, so that a replica which was given up for dead changes nothing;
* a turn costs what the turn adds, whatever stands before it.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Literal, Protocol

import msgspec

from penstock.wire import ResponseStatus

ENDED: frozenset[str] = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""The statuses of a response that has ended."""


class StoredItem(msgspec.Struct, frozen=True):
    """One item of an input, an output or a conversation, as JSON."""

    id: str
    body: bytes


class StoredResponse(msgspec.Struct, kw_only=True):
    """A response as it stands in a store."""

    id: str
    owner: str
    status: ResponseStatus
    created_at: int
    expires_at: int | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    background: bool = False
    body: bytes
    """The Response as JSON, `output` and all, as it is now."""
    input: list[StoredItem] = []
    """The items that this turn added, in order; not those before it."""
    output: list[StoredItem] = []
    """The items that the model said; set when the response ends."""
    request: bytes = b""
    """The request, for as long as a background run may have to start again."""


class Claim(msgspec.Struct, frozen=True):
    """The right to work on a response. A later claim of it has a higher `fence`."""

    response_id: str
    fence: int


class EventBatch(msgspec.Struct, frozen=True):
    """Events as they are sent, `first` being the sequence number of the first one of `data`."""

    first: int
    data: bytes


class StoredConversation(msgspec.Struct, kw_only=True):
    """A conversation; its items stand apart."""

    id: str
    owner: str
    created_at: int
    expires_at: int | None = None
    metadata: bytes = b"{}"
    """A JSON object."""


class ItemPage(msgspec.Struct, frozen=True):
    """Some items in the order asked for, and whether more follow."""

    items: list[StoredItem]
    has_more: bool


class ChainTooLong(Exception):
    """A chain has more responses than the limit allows."""


class TooManyBytes(Exception):
    """What is asked for has more bytes than the limit allows."""


class ResponseStore(Protocol):
    """Responses and the items in them."""

    async def save(self, response: StoredResponse) -> bool:
        """Add a response with its items. Its id is new; ids of items may be met again, in other rows or its own.

        One that has `completed` in a conversation adds its items, input and output, at the conversation's end, in the
        same step; False, and nothing is saved, where it is not the conversation's writer or the conversation is gone.
        The writer is who locked it last and did not unlock it, however long ago.
        """

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """Give a response that has not ended its status, body and output, and forget its `request`.

        False, and nothing is changed, where it had ended or is gone, where `fence` is given and no longer the
        lease's, or where `save` would say so. The new status need not be one that has ended; all else about a
        response, its input too, is what was saved. One that has ended has no lease any more.
        """

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """One response; None where there is none, it is another's, or it has expired."""

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """Remove a response, its items, its events and its lease; a conversation's items stay. False where none was."""

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """The response and all before it, oldest first, in at most three round trips; empty where it is not there.

        Only `id`, `status`, `previous_response_id`, `conversation_id`, `input` and `output` need be filled, and the
        last two only of those that are not `known`, which may be asked from any thread. Raises `ChainTooLong`, and
        `TooManyBytes` for the bodies of all items that are read. A link of the chain that is gone (deleted, expired)
        ends it there: what is left is the chain.
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
        """The bodies of the items that there are, of responses and conversations alike; one of several of an id.

        Raises `TooManyBytes` for all of them together.
        """


class EventLog(Protocol):
    """The events of background responses."""

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """Add events at the end of the response's log.

        False where the claim is no longer the lease's: a log is whole once its response has ended.
        """

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """The batches that hold an event with a number greater than `after`, in order; some at a time.

        The first of them may begin before it. Since no store counts the events of a batch, the log's last batch may be
        told again when there is nothing new.
        """

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Return when a batch begins after it, the response has ended or is gone, or time is up; sooner may happen."""


class Leases(Protocol):
    """Who works on which background response. One that has ended, or is gone, has no lease."""

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """Take the lease of a response that has not ended, where nobody's is in force; fences count from 1.

        A lease is in force before its `until`, and not at it.
        """

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """Prolong these leases; the ids of those that are lost.

        One is lost when the response ended or is gone, when it was released, or when another claimed it, and not by
        time alone.
        """

    async def release(self, claim: Claim) -> None:
        """Give a lease up, so that another replica may take it at once."""

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """Background responses that have not ended and that nobody's lease in force covers, oldest first."""


class ConversationStore(Protocol):
    """Conversations and their items. A conversation has an item once: one that comes again stays where and as it is."""

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """Add a conversation with its first items."""

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """One conversation; None where there is none, it is another's, or it has expired."""

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """Replace its metadata; False where it is not there."""

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """Remove it and its items; those of responses stay. False where it is not there."""

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """Add items at its end, in order; False where it is not there."""

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
        """Its items behind `after`, all of them without a limit; None where it, or the item `after`, is not there.

        Raises `TooManyBytes` for the bodies of all of them together.
        """

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """The body of one item of it, whatever else it holds; None where it, or the item, is not there."""

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """Remove one item of it; False where it is not there."""

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """Make `writer`, a response's id, the one that may complete in it, or prolong that; False while another is."""

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """Let others write, if `writer` was the one."""


class Store(ResponseStore, EventLog, Leases, ConversationStore, Protocol):
    """All of it, in one engine."""

    async def migrate(self) -> None:
        """Make the engine ready; safe to call on every start, of many replicas at once."""

    async def check(self) -> None:
        """Do nothing but what shows that rows can be read and written now. Raises `ApiError` where they cannot."""

    async def time_s(self) -> float:
        """The time in Unix seconds by the clock that all replicas share: the engine's."""

    async def sweep(self, *, now: float, limit: int) -> int:
        """Remove up to `limit` expired responses and conversations, with all that is theirs; how many there were."""

    async def stats(self) -> dict[str, int]:
        """How many rows of each kind there are, and `bytes` where the engine knows.

        `responses` and `conversations` are always told, and every number but `bytes` is 0 where nothing is.
        """

    async def aclose(self) -> None:
        """Write what is pending and close."""
