"""The chain cache: decoded items of turns that were read before. A turn that has ended never changes.

The store is still asked for each chain: only the store knows which turns belong to it and who owns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from penstock.engine.offload import offload
from penstock.json_codec import Decoder
from penstock.ports import ENDED, StoredItem, StoredResponse, TooManyBytes
from penstock.wire import InputItem

ITEM_BYTES = 500
"""The estimated memory of an item in addition to its JSON, in bytes."""

_decode_item = Decoder[InputItem](InputItem).decode


class SizedItems(msgspec.Struct, frozen=True):
    """Items and their total size as JSON, in bytes."""

    items: list[InputItem]
    size: int

    @property
    def weight(self) -> int:
        """The estimated memory of the items, in bytes."""
        return self.size + ITEM_BYTES * len(self.items)


class ChainCache:
    """Turns within a bound in bytes; the least recently used turn is evicted first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._turns: dict[str, SizedItems] = {}
        self._weight = 0

    def known(self) -> KnownTurns:
        """The turns that the store need not read."""
        return KnownTurns(self._turns)

    async def read(self, chain: Sequence[StoredResponse], known: KnownTurns, bytes_max: int) -> SizedItems:
        """All items of a chain that was read without the items of the known turns. Raises `TooManyBytes`."""
        # spec: turns-read-once
        fresh = {turn.id: [*turn.input, *turn.output] for turn in chain if turn.id not in known.held}
        sizes = [sum(len(item.body) for item in items) for items in fresh.values()]
        size = sum(turn.size for turn in known.held.values()) + sum(sizes)
        if size > bytes_max:
            raise TooManyBytes
        count = sum(map(len, fresh.values()))
        decoded = await offload(sum(sizes) + ITEM_BYTES * count, _decoded, fresh.values())
        turns = known.held | dict(zip(fresh, map(SizedItems, decoded, sizes), strict=True))
        whole = SizedItems([item for turn in chain for item in turns[turn.id].items], size)
        if whole.weight <= self._bytes_max:  # a longer chain would only evict its own turns
            for turn in chain:
                if turn.status in ENDED:
                    self._use(turn.id, turns[turn.id])
            while self._weight > self._bytes_max:
                self.forget(next(iter(self._turns)))
        return whole

    def forget(self, response_id: str) -> None:
        """Remove a turn."""
        if turn := self._turns.pop(response_id, None):
            self._weight -= turn.weight

    def _use(self, response_id: str, turn: SizedItems) -> None:
        """Add a turn as the most recently used one."""
        if self._turns.pop(response_id, None) is None:
            self._weight += turn.weight
        self._turns[response_id] = turn


class KnownTurns:
    """The turns that the store need not read. A turn that was asked for stays available here after its eviction."""

    def __init__(self, turns: dict[str, SizedItems]) -> None:
        self._turns = turns
        self.held: dict[str, SizedItems] = {}

    def __contains__(self, response_id: object) -> bool:
        """Whether the turn is cached. It may be called from any thread."""
        if response_id not in self.held and isinstance(response_id, str) and (turn := self._turns.get(response_id)):
            self.held[response_id] = turn
        return response_id in self.held


async def read_items(items: Sequence[StoredItem]) -> SizedItems:
    """Decode stored items."""
    size = sum(len(item.body) for item in items)
    [decoded] = await offload(size + ITEM_BYTES * len(items), _decoded, [items])
    return SizedItems(decoded, size)


def _decoded(lists: Iterable[Sequence[StoredItem]]) -> list[list[InputItem]]:
    return [[_decode_item(item.body) for item in items] for items in lists]
