"""The table of all rows in memory, with an index of their items. When it is full, it removes rows.

It knows which rows may be removed, and how much memory a row takes. It never waits and never fails.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import msgspec

from penstock.ids import now_s
from penstock.ports import ENDED, Claim, EventBatch, StoredConversation, StoredItem, StoredResponse

ROW_BYTES = 500
"""The approximate memory of a row without its bodies."""


class ResponseEntry(msgspec.Struct, eq=False):
    """A response with its events and its lease."""

    row: StoredResponse
    events: list[EventBatch] = []
    fence: int = 0
    until: float | None = None
    changed: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    @property
    def is_busy(self) -> bool:
        """Whether the response is queued or running."""
        return self.row.status not in ENDED

    @property
    def items(self) -> list[StoredItem]:
        """The items of input and output."""
        return self.row.input + self.row.output

    def holds(self, claim: Claim) -> bool:
        """Whether this claim has the lease."""
        return self.is_busy and self.until is not None and self.fence == claim.fence

    def wake(self) -> None:
        """Wake all tasks that wait for a change of the response."""
        self.changed.set()
        self.changed = asyncio.Event()

    def weight(self) -> int:
        """Its approximate size in bytes, without its events."""
        return len(self.row.body) + len(self.row.request) + ROW_BYTES + sum(map(item_weight, self.items))


class ConversationEntry(msgspec.Struct, eq=False):
    """A conversation with its items, in order, and its writer."""

    row: StoredConversation
    bodies: dict[str, bytes] = {}
    writer: str | None = None
    until: float = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether it has a writer."""
        return self.writer is not None and self.until > now_s()

    @property
    def items(self) -> list[StoredItem]:
        """All items, the oldest first."""
        return [StoredItem(*each) for each in self.bodies.items()]

    def weight(self) -> int:
        """Its approximate size in bytes."""
        return len(self.row.metadata) + ROW_BYTES + sum(map(item_weight, self.items))


Entry: TypeAlias = ResponseEntry | ConversationEntry


def item_weight(item: StoredItem) -> int:
    """The approximate size of an item in bytes."""
    return len(item.body) + ROW_BYTES


class _Holder(NamedTuple):
    """An entry that contains an item. Most items have one holder, and a tuple of one takes less memory than a dict."""

    entry_id: str
    body: bytes


class Table:
    """Entries by id, in the order of their last use."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self.bytes = 0
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._holders: dict[tuple[str, str], tuple[_Holder, ...]] = {}

    def response(self, response_id: str, owner: str | None = None) -> ResponseEntry | None:
        """One response of that owner, or of any owner."""
        entry = self._entry(response_id, owner)
        return entry if isinstance(entry, ResponseEntry) else None

    def conversation(self, conversation_id: str, owner: str | None = None) -> ConversationEntry | None:
        """One conversation of that owner, or of any owner."""
        entry = self._entry(conversation_id, owner)
        return entry if isinstance(entry, ConversationEntry) else None

    def body(self, owner: str, item_id: str) -> bytes | None:
        """The body of an item, from any entry of that owner that contains it."""
        holders = self._holders.get((owner, item_id), ())
        return next((holder.body for holder in holders if self._entry(holder.entry_id, owner)), None)

    def add(self, entry: Entry) -> None:
        """Add an entry. Raises `ValueError` where its id exists already, with any owner."""
        if entry.row.id in self.entries:
            raise ValueError("the id exists already")
        self.entries[entry.row.id] = entry
        self.bytes += entry.weight()
        self.index(entry, entry.items)
        self.make_room()

    def remove(self, entry: Entry) -> None:
        """Remove an entry with its items and events."""
        del self.entries[entry.row.id]
        self.bytes -= entry.weight()
        self.forget(entry, entry.items)
        if isinstance(entry, ResponseEntry):
            self.bytes -= sum(event_weight(batch) for batch in entry.events)
            entry.wake()

    def extend(self, entry: ConversationEntry, items: Iterable[StoredItem]) -> None:
        """Append items to a conversation. An item that it contains already stays unchanged."""
        for item in items:
            if item.id not in entry.bodies:
                entry.bodies[item.id] = item.body
                self.bytes += item_weight(item)
                self.index(entry, [item])
        self.make_room()

    def index(self, entry: Entry, items: Iterable[StoredItem]) -> None:
        """Add these items of an entry to the index."""
        for item in items:
            holders = self._other_holders(entry, item)
            self._holders[entry.row.owner, item.id] = (*holders, _Holder(entry.row.id, item.body))

    def wake_all(self) -> None:
        """Wake all tasks that wait for a change of any response."""
        for entry in self.entries.values():
            if isinstance(entry, ResponseEntry):
                entry.wake()

    def forget(self, entry: Entry, items: Iterable[StoredItem]) -> None:
        """Remove these items of an entry from the index."""
        for item in items:
            key = (entry.row.owner, item.id)
            if holders := self._other_holders(entry, item):
                self._holders[key] = holders
            else:
                self._holders.pop(key, None)

    def _other_holders(self, entry: Entry, item: StoredItem) -> tuple[_Holder, ...]:
        """The holders of an item other than this entry."""
        holders = self._holders.get((entry.row.owner, item.id), ())
        return tuple(holder for holder in holders if holder.entry_id != entry.row.id)

    def make_room(self) -> None:
        """Remove the least recently used entries that are not busy, until the rest fits."""
        # spec: bounded-stores
        while len(self.entries) > self._entries_max or self.bytes > self._bytes_max:
            idle = next((entry for entry in self.entries.values() if not entry.is_busy), None)
            if idle is None:
                return
            self.remove(idle)

    def _entry(self, entry_id: str, owner: str | None) -> Entry | None:
        """An entry that exists, belongs to that owner and has not expired. It becomes the most recently used."""
        entry = self.entries.get(entry_id)
        # spec: owners
        if entry is None or (owner is not None and entry.row.owner != owner) or has_expired(entry.row, now_s()):
            return None
        self.entries.move_to_end(entry_id)
        return entry


def event_weight(batch: EventBatch) -> int:
    """The approximate size of a batch of events in bytes."""
    return len(batch.data) + ROW_BYTES


def has_expired(row: StoredResponse | StoredConversation, now: float) -> bool:
    """Whether a row has expired."""
    return row.expires_at is not None and row.expires_at <= now
