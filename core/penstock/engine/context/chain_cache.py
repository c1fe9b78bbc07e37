"""Turns of chains that were read before, decoded: a turn that has ended never changes again.

The store is asked all the same, for each chain: which turns it has, and whose they are, the store alone knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from penstock.engine.offload import offload
from penstock.json_codec import Decoder
from penstock.ports import ENDED, StoredItem, StoredResponse, TooManyBytes
from penstock.wire import InputItem

ITEM_BYTES = 500
"""About what an item costs beside its bytes."""

_decode_item = Decoder[InputItem](InputItem).decode


class Recalled(NamedTuple):
    """Items, and how many bytes of JSON they are."""

    items: list[InputItem]
    size: int

    @property
    def weight(self) -> int:
        """About how many bytes of memory they take."""
        return self.size + ITEM_BYTES * len(self.items)


class ChainCache:
    """The turns that were used last, within a bound in bytes; the least recently used one goes first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._turns: dict[str, Recalled] = {}
        self._weight = 0

    def known(self) -> Known:
        """Those that a store need not read."""
        return Known(self._turns)

    async def read(self, chain: Sequence[StoredResponse], known: Known, bytes_max: int) -> Recalled:
        """All items of a chain, which was read without those of the known turns. Raises `TooManyBytes`."""
        fresh = {turn.id: [*turn.input, *turn.output] for turn in chain if turn.id not in known}
        sizes = [sum(len(item.body) for item in items) for items in fresh.values()]
        size = sum(turn.size for turn in known.held.values()) + sum(sizes)
        if size > bytes_max:
            raise TooManyBytes
        count = sum(map(len, fresh.values()))
        decoded = await offload(sum(sizes) + ITEM_BYTES * count, _decoded, fresh.values())
        turns = known.held | dict(zip(fresh, map(Recalled, decoded, sizes), strict=True))
        whole = Recalled([item for turn in chain for item in turns[turn.id].items], size)
        if whole.weight <= self._bytes_max:  # a longer chain would only push its own turns out
            for turn in chain:
                if turn.status in ENDED:
                    self._use(turn.id, turns[turn.id])
            while self._weight > self._bytes_max:
                self.forget(next(iter(self._turns)))
        return whole

    def forget(self, response_id: str) -> None:
        """Hold a turn no longer."""
        if turn := self._turns.pop(response_id, None):
            self._weight -= turn.weight

    def _use(self, response_id: str, turn: Recalled) -> None:
        """Hold it, as the one that was used last."""
        if self._turns.pop(response_id, None) is None:
            self._weight += turn.weight
        self._turns[response_id] = turn


class Known:
    """The turns that need not be read. One that was asked for is held here, also if it is forgotten meanwhile."""

    def __init__(self, turns: dict[str, Recalled]) -> None:
        self._turns = turns
        self.held: dict[str, Recalled] = {}

    def __contains__(self, response_id: object) -> bool:
        """Any thread may ask."""
        if response_id not in self.held and isinstance(response_id, str) and (turn := self._turns.get(response_id)):
            self.held[response_id] = turn
        return response_id in self.held


async def read_items(items: Sequence[StoredItem]) -> Recalled:
    """Stored items, decoded."""
    size = sum(len(item.body) for item in items)
    [decoded] = await offload(size + ITEM_BYTES * len(items), _decoded, [items])
    return Recalled(decoded, size)


def _decoded(lists: Iterable[Sequence[StoredItem]]) -> list[list[InputItem]]:
    return [[_decode_item(item.body) for item in items] for items in lists]
