"""The store in this process's memory: for tests, demos and `memory://`.

It is bounded. When it is full, it removes the least recently used ended responses and conversations, but never a
running response or a conversation with a writer. It belongs to one event loop, and every method runs without a pause.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import suppress
from itertools import chain as chained
from itertools import count, islice
from typing import Literal

from msgspec.structs import replace

from penstock.ids import clock_s
from penstock.ports import (
    ChainTooLong,
    Claim,
    EventBatch,
    ItemPage,
    StoredConversation,
    StoredItem,
    StoredResponse,
    TooManyBytes,
)

from .marks import MarkTable
from .tables import ConversationEntry, ResponseEntry, Table, event_weight, has_expired, item_weight

__all__ = ["MemoryStore"]

_EVENT_BATCHES_MAX = 256
"""How many batches of events `events` returns at most."""


class MemoryStore:
    """A `Store` whose contents end with its process. `responses_max` is the limit of responses and conversations."""

    def __init__(self, *, responses_max: int = 10_000, bytes_max: int = 256 * 2**20) -> None:
        self._table = Table(responses_max, bytes_max)
        self._marks = MarkTable(responses_max)

    # Responses.

    async def save(self, response: StoredResponse) -> bool:
        """Add a response. If it is completed, add its items to its conversation too."""
        if not self._may_complete(response):
            return False
        entry = ResponseEntry(_copy(response))
        self._table.add(entry)
        self._complete(entry)
        return True

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """Update a response that has not ended."""
        entry = self._table.response(response.id, response.owner)
        if entry is None or not entry.is_busy or (fence is not None and not entry.holds(Claim(response.id, fence))):
            return False
        settled = replace(
            entry.row, status=response.status, body=response.body, output=list(response.output), request=b""
        )
        if not self._may_complete(settled):
            return False
        self._replace(entry, settled)
        self._complete(entry)
        return True

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """One response."""
        entry = self._table.response(response_id, owner)
        return _copy(entry.row) if entry else None

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """Remove a response with its items, its events and its lease."""
        entry = self._table.response(response_id, owner)
        if entry:
            self._table.remove(entry)
        return entry is not None

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """The response and all before it, the oldest first."""
        links: list[StoredResponse] = []
        size = 0
        for entry in self._links(owner, response_id, responses_max):
            if entry.row.id in known:
                links.append(replace(entry.row, input=[], output=[]))
            else:
                size += _size(entry.items)
                _check_bytes(size, bytes_max)
                links.append(_copy(entry.row))
        return links[::-1]

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
        """Some of the items that the response was made from."""
        links = [entry.row for entry in self._links(owner, response_id, responses_max)]
        if not links:
            return None
        lists = [links[0].input, *(side for row in links[1:] for side in (row.output, row.input))]
        items = chained.from_iterable(reversed(lists) if order == "asc" else map(reversed, lists))
        if after is not None and not any(item.id == after for item in items):  # which takes the items up to it
            return None
        return ItemPage(list(islice(items, limit)), has_more=next(items, None) is not None)

    async def find_items(
        self, owner: str, item_ids: Collection[str], *, bytes_max: int | None = None
    ) -> dict[str, bytes]:
        """The bodies of those items that exist."""
        found = {item_id: self._table.body(owner, item_id) for item_id in item_ids}
        bodies = {item_id: body for item_id, body in found.items() if body is not None}
        _check_bytes(sum(map(len, bodies.values())), bytes_max)
        return bodies

    # Events.

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """Append events to a log."""
        entry = self._table.response(claim.response_id)
        if entry is None or not entry.holds(claim):
            return False
        entry.events.append(batch)
        self._table.bytes += event_weight(batch)
        self._table.make_room()
        entry.wake()
        return True

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """The batches from the one on that contains the event after `after`."""
        entry = self._table.response(response_id)
        if entry is None:
            return []
        start = bisect_right(entry.events, after + 1, key=lambda batch: batch.first)
        return entry.events[max(start - 1, 0) :][:_EVENT_BATCHES_MAX]

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Wait for the response's next change, unless it has newer events or has ended."""
        entry = self._table.response(response_id)
        if entry is None or not entry.is_busy or (entry.events and entry.events[-1].first > after):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await entry.changed.wait()

    # Leases.

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """Take the lease, unless another lease is in force."""
        entry = self._table.response(response_id)
        if entry is None or not entry.is_busy or _is_claimed(entry, now):
            return None
        entry.fence += 1
        entry.until = until
        return Claim(response_id, entry.fence)

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """Prolong leases. Returns the ids of those that are lost."""
        lost = set()
        for claim in claims:
            entry = self._table.response(claim.response_id)
            if entry and entry.holds(claim):
                entry.until = until
            else:
                lost.add(claim.response_id)
        return lost

    async def release(self, claim: Claim) -> None:
        """Release a lease."""
        entry = self._table.response(claim.response_id)
        if entry and entry.holds(claim):
            entry.until = None

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """Background responses without a lease in force, the oldest first."""
        rows = [
            entry.row
            for entry in self._table.entries.values()
            if isinstance(entry, ResponseEntry)
            and entry.is_busy
            and entry.row.background
            and not _is_claimed(entry, now)
            and not has_expired(entry.row, now)
        ]
        return [_copy(row) for row in sorted(rows, key=lambda row: row.created_at)[:limit]]

    # Conversations.

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """Add a conversation with its first items."""
        entry = ConversationEntry(replace(conversation))
        self._table.add(entry)
        self._table.extend(entry, items)

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """One conversation."""
        entry = self._table.conversation(conversation_id, owner)
        return replace(entry.row) if entry else None

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """Replace the metadata of a conversation."""
        entry = self._table.conversation(conversation_id, owner)
        if entry:
            self._table.bytes += len(metadata) - len(entry.row.metadata)
            entry.row.metadata = metadata
            self._table.make_room()
        return entry is not None

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """Remove a conversation and its items."""
        entry = self._table.conversation(conversation_id, owner)
        if entry:
            self._table.remove(entry)
        return entry is not None

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """Append items to a conversation."""
        entry = self._table.conversation(conversation_id, owner)
        if entry:
            self._table.extend(entry, items)
        return entry is not None

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
        """A page of a conversation's items."""
        entry = self._table.conversation(conversation_id, owner)
        if entry is None:
            return None
        ids = iter(entry.bodies) if order == "asc" else reversed(entry.bodies)
        if after is not None and after not in ids:  # `in` consumes the iterator up to `after`
            return None
        items = [StoredItem(item_id, entry.bodies[item_id]) for item_id in islice(ids, limit)]
        _check_bytes(_size(items), bytes_max)
        return ItemPage(items, has_more=next(ids, None) is not None)

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """One item of a conversation."""
        entry = self._table.conversation(conversation_id, owner)
        return entry.bodies.get(item_id) if entry else None

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """Remove one item of a conversation."""
        entry = self._table.conversation(conversation_id, owner)
        if entry is None or item_id not in entry.bodies:
            return False
        item = StoredItem(item_id, entry.bodies.pop(item_id))
        self._table.bytes -= item_weight(item)
        self._table.forget(entry, [item])
        return True

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """Make a response the writer of a conversation, unless it has another writer."""
        entry = self._table.conversation(conversation_id)
        if entry is None or (entry.writer not in {None, writer} and entry.until > now):
            return False
        entry.writer, entry.until = writer, until
        return True

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """Remove the writer of a conversation."""
        entry = self._table.conversation(conversation_id)
        if entry and entry.writer == writer:
            entry.writer = None

    async def mark_once(self, owner: str, name: str, *, expires_at: int) -> bool:
        """Set a mark that is not set yet."""
        return self._marks.mark_once(owner, name, expires_at)

    # The whole store.

    async def migrate(self) -> None:
        """Do nothing: memory needs no migration."""

    async def check(self) -> None:
        """Do nothing: memory always works."""

    async def time_s(self) -> float:
        """This machine's clock: there is no other replica."""
        return clock_s()

    async def sweep(self, *, now: float, limit: int) -> int:
        """Remove expired responses, conversations and marks."""
        expired = [entry for entry in self._table.entries.values() if has_expired(entry.row, now)][:limit]
        for entry in expired:
            self._table.remove(entry)
        return len(expired) + self._marks.sweep(now, limit - len(expired))

    async def stats(self) -> dict[str, int]:
        """The number of rows of each kind, and their bytes."""
        entries = list(self._table.entries.values())
        responses = [entry for entry in entries if isinstance(entry, ResponseEntry)]
        return {
            "responses": len(responses),
            "conversations": len(entries) - len(responses),
            "items": sum(len(entry.items) for entry in entries),
            "event_batches": sum(len(entry.events) for entry in responses),
            "leases": sum(entry.is_busy and entry.until is not None for entry in responses),
            "marks": len(self._marks),
            "bytes": self._table.bytes,
        }

    async def aclose(self) -> None:
        """Wake all waiting tasks: their events belong to the event loop that ends."""
        self._table.wake_all()

    # The common step of `chain` and `page_input_items`.

    def _links(self, owner: str, response_id: str, responses_max: int) -> Iterator[ResponseEntry]:
        """The response and all before it, the newest first."""
        following: str | None = response_id
        for number in count():
            entry = self._table.response(following, owner) if following else None
            if entry is None:
                return
            if number == responses_max:
                raise ChainTooLong
            yield entry
            following = entry.row.previous_response_id

    # The common steps of `save` and `settle`.

    def _may_complete(self, response: StoredResponse) -> bool:
        """Whether the response may complete: it has no conversation, or it is the writer of its conversation."""
        if response.status != "completed" or response.conversation_id is None:
            return True
        conversation = self._table.conversation(response.conversation_id, response.owner)
        return conversation is not None and conversation.writer == response.id

    def _complete(self, entry: ResponseEntry) -> None:
        """Add the items of a completed response to its conversation, if it has one."""
        if entry.row.status == "completed" and entry.row.conversation_id is not None:
            conversation = self._table.conversation(entry.row.conversation_id, entry.row.owner)
            if conversation:
                self._table.extend(conversation, entry.items)

    def _replace(self, entry: ResponseEntry, settled: StoredResponse) -> None:
        self._table.forget(entry, entry.items)
        self._table.bytes -= entry.weight()
        entry.row = settled
        self._table.bytes += entry.weight()
        self._table.index(entry, entry.items)
        self._table.make_room()
        entry.wake()


def _is_claimed(entry: ResponseEntry, now: float) -> bool:
    return entry.until is not None and entry.until > now


def _copy(row: StoredResponse) -> StoredResponse:
    """A copy, so that later changes of one do not change the other."""
    return replace(row, input=list(row.input), output=list(row.output))


def _size(items: Sequence[StoredItem]) -> int:
    """The size of all bodies, in bytes."""
    return sum([len(item.body) for item in items])


def _check_bytes(size: int, bytes_max: int | None) -> None:
    if bytes_max is not None and size > bytes_max:
        raise TooManyBytes
