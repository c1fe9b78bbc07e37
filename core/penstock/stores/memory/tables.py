"""The shelf: all rows in memory, by id, by use and by the items in them; where it is full, something goes.

It knows what may go, and what an entry weighs. It never waits and never fails.
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
"""About what a row costs beside its bodies."""


class ResponseEntry(msgspec.Struct, eq=False):
    """A response with its events and its lease."""

    row: StoredResponse
    events: list[EventBatch] = []
    fence: int = 0
    until: float | None = None
    changed: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    @property
    def is_busy(self) -> bool:
        """Whether it runs."""
        return self.row.status not in ENDED

    @property
    def items(self) -> list[StoredItem]:
        """Input and output."""
        return self.row.input + self.row.output

    def holds(self, claim: Claim) -> bool:
        """Whether the lease is this claim's."""
        return self.is_busy and self.until is not None and self.fence == claim.fence

    def wake(self) -> None:
        """Let whoever waits look again, and then wait for the next change."""
        self.changed.set()
        self.changed = asyncio.Event()

    def weight(self) -> int:
        """About how many bytes it takes, without its events."""
        return len(self.row.body) + len(self.row.request) + ROW_BYTES + sum(map(item_weight, self.items))


class ConversationEntry(msgspec.Struct, eq=False):
    """A conversation with its items, in order, and its writer."""

    row: StoredConversation
    bodies: dict[str, bytes] = {}
    writer: str | None = None
    until: float = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether somebody writes it."""
        return self.writer is not None and self.until > now_s()

    @property
    def items(self) -> list[StoredItem]:
        """All of them, oldest first."""
        return [StoredItem(*each) for each in self.bodies.items()]

    def weight(self) -> int:
        """About how many bytes it takes."""
        return len(self.row.metadata) + ROW_BYTES + sum(map(item_weight, self.items))


Entry: TypeAlias = ResponseEntry | ConversationEntry


def item_weight(item: StoredItem) -> int:
    """About how many bytes an item takes."""
    return len(item.body) + ROW_BYTES


class _Holder(NamedTuple):
    """An entry that has an item. Nearly all items have one holder: a tuple of one takes less memory than a dict."""

    entry_id: str
    body: bytes


class Table:
    """Entries by id, the least recently used first."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self.bytes = 0
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._holders: dict[tuple[str, str], tuple[_Holder, ...]] = {}

    def response(self, response_id: str, owner: str | None = None) -> ResponseEntry | None:
        """One response of that owner, or of anybody."""
        entry = self._entry(response_id, owner)
        return entry if isinstance(entry, ResponseEntry) else None

    def conversation(self, conversation_id: str, owner: str | None = None) -> ConversationEntry | None:
        """One conversation of that owner, or of anybody."""
        entry = self._entry(conversation_id, owner)
        return entry if isinstance(entry, ConversationEntry) else None

    def body(self, owner: str, item_id: str) -> bytes | None:
        """An item's body, wherever it is."""
        holders = self._holders.get((owner, item_id), ())
        return next((holder.body for holder in holders if self._entry(holder.entry_id, owner)), None)

    def add(self, entry: Entry) -> None:
        """Put a new entry on it. Its id must be new: an id says whose a row is."""
        if entry.row.id in self.entries:
            raise ValueError("that id is there already")
        self.entries[entry.row.id] = entry
        self.bytes += entry.weight()
        self.index(entry, entry.items)
        self.make_room()

    def remove(self, entry: Entry) -> None:
        """Take an entry off it, with all that is its own."""
        del self.entries[entry.row.id]
        self.bytes -= entry.weight()
        self.forget(entry, entry.items)
        if isinstance(entry, ResponseEntry):
            self.bytes -= sum(event_weight(batch) for batch in entry.events)
            entry.wake()

    def extend(self, entry: ConversationEntry, items: Iterable[StoredItem]) -> None:
        """Add items at a conversation's end; an item that is there already stays where it is."""
        for item in items:
            if item.id not in entry.bodies:
                entry.bodies[item.id] = item.body
                self.bytes += item_weight(item)
                self.index(entry, [item])
        self.make_room()

    def index(self, entry: Entry, items: Iterable[StoredItem]) -> None:
        """Let these items be found in an entry."""
        for item in items:
            holders = self._holders_but(entry, item)
            self._holders[entry.row.owner, item.id] = (*holders, _Holder(entry.row.id, item.body))

    def wake_all(self) -> None:
        """Let everybody who waits look again."""
        for entry in self.entries.values():
            if isinstance(entry, ResponseEntry):
                entry.wake()

    def forget(self, entry: Entry, items: Iterable[StoredItem]) -> None:
        """Let these items no longer be found in an entry."""
        for item in items:
            key = (entry.row.owner, item.id)
            if holders := self._holders_but(entry, item):
                self._holders[key] = holders
            else:
                self._holders.pop(key, None)

    def _holders_but(self, entry: Entry, item: StoredItem) -> tuple[_Holder, ...]:
        """Return the holders of an item without this entry."""
        holders = self._holders.get((entry.row.owner, item.id), ())
        return tuple(holder for holder in holders if holder.entry_id != entry.row.id)

    def make_room(self) -> None:
        """Remove what was least recently used and may go, until the rest fits."""
        # spec: bounded-stores
        while len(self.entries) > self._entries_max or self.bytes > self._bytes_max:
            idle = next((entry for entry in self.entries.values() if not entry.is_busy), None)
            if idle is None:
                return
            self.remove(idle)

    def _entry(self, entry_id: str, owner: str | None) -> Entry | None:
        """What is there, is theirs and has not expired; it counts as used."""
        entry = self.entries.get(entry_id)
        # spec: owners
        if entry is None or (owner is not None and entry.row.owner != owner) or has_expired(entry.row, now_s()):
            return None
        self.entries.move_to_end(entry_id)
        return entry


def event_weight(batch: EventBatch) -> int:
    """About how many bytes a batch of events takes."""
    return len(batch.data) + ROW_BYTES


def has_expired(row: StoredResponse | StoredConversation, now: float) -> bool:
    """Whether its time is up."""
    return row.expires_at is not None and row.expires_at <= now
