"""The sealed thoughts of an upstream: it gets them back in later turns, and clients that did not ask get none.

It knows the events that have them, takes them out of the events for clients, and puts them beside the item.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.transcript.deltas import Delta, Extras, Relayed, RelayedItem
from penstock.wire import UNSET, OutputItemAdded, OutputItemDone, ReasoningItem

_WITH_ITEMS = frozenset({OutputItemAdded, OutputItemDone})
_encode = msgspec.json.Encoder().encode


class SealedThoughts:
    """Takes the sealed thoughts out of the events of the upstream `origin`."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def take(self, event: Any) -> Iterable[Delta]:
        """The event as the client sees it, and what is to be returned with its item."""
        if type(event) in _WITH_ITEMS and isinstance(event.item, ReasoningItem):
            # spec: sealed-behind
            returned = self._returned(event.item) if isinstance(event, OutputItemDone) else ()
            return Relayed(replace(event, item=_open(event.item))), *returned
        return (Relayed(event),)

    def take_item(self, item: Any) -> Iterable[Delta]:
        """The same for an item that came whole."""
        if isinstance(item, ReasoningItem):
            # spec: sealed-behind
            return RelayedItem(_open(item)), *self._returned(item)
        return (RelayedItem(item),)

    def _returned(self, item: ReasoningItem) -> Iterator[Delta]:
        if item.id and item.encrypted_content:
            sealed = {"encrypted_content": msgspec.Raw(_encode(item.encrypted_content))}
            yield Extras(origin=self._origin, items={item.id: sealed})


def _open(item: ReasoningItem) -> ReasoningItem:
    """The item without its sealed thoughts."""
    return replace(item, encrypted_content=UNSET)
