"""The items of hosted tools: they grow while a tool runs, and any number of them is open at a time.

It knows which events each family has for the steps of an item. Which steps an item takes, the tool decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from penstock.wire import (
    NULL,
    CodeInterpreterCall,
    CodeInterpreterCallCodeDelta,
    CodeInterpreterCallCompleted,
    CodeInterpreterCallInProgress,
    CodeInterpreterCallInterpreting,
    Event,
    FileSearchCall,
    FileSearchCallCompleted,
    FileSearchCallInProgress,
    FileSearchCallSearching,
    ImageGenerationCall,
    ImageGenerationCallCompleted,
    ImageGenerationCallGenerating,
    ImageGenerationCallInProgress,
    Item,
    ItemStatus,
    McpCall,
    McpCallArgumentsDelta,
    McpCallCompleted,
    McpCallFailed,
    McpCallInProgress,
    McpListTools,
    McpListToolsCompleted,
    McpListToolsFailed,
    McpListToolsInProgress,
    OutputItem,
    OutputItemAdded,
    OutputItemDone,
    WebSearchCall,
    WebSearchCallCompleted,
    WebSearchCallInProgress,
    WebSearchCallSearching,
)

from .closing import end_text, ended, settle_item
from .deltas import ItemStatusDelta, ItemTextDelta
from .transcript import Transcript

_STEPS: dict[type[Item], dict[str, type[Any]]] = {
    WebSearchCall: {
        "in_progress": WebSearchCallInProgress,
        "searching": WebSearchCallSearching,
        "completed": WebSearchCallCompleted,
    },
    FileSearchCall: {
        "in_progress": FileSearchCallInProgress,
        "searching": FileSearchCallSearching,
        "completed": FileSearchCallCompleted,
    },
    CodeInterpreterCall: {
        "in_progress": CodeInterpreterCallInProgress,
        "interpreting": CodeInterpreterCallInterpreting,
        "completed": CodeInterpreterCallCompleted,
    },
    ImageGenerationCall: {
        "in_progress": ImageGenerationCallInProgress,
        "generating": ImageGenerationCallGenerating,
        "completed": ImageGenerationCallCompleted,
    },
    McpCall: {"in_progress": McpCallInProgress, "completed": McpCallCompleted, "failed": McpCallFailed},
    McpListTools: {
        "in_progress": McpListToolsInProgress,
        "completed": McpListToolsCompleted,
        "failed": McpListToolsFailed,
    },
}
"""The event of each step of an item, by the item's class. A family may have none for a step, such as for `failed`."""

_TEXTS: dict[type[Item], tuple[str, Callable[..., Event]]] = {
    McpCall: ("arguments", McpCallArgumentsDelta),
    CodeInterpreterCall: ("code", CodeInterpreterCallCodeDelta),
}
"""The field with an item's growing text, and the event that appends to it."""


class HostedItems(Protocol):
    """Records the items of hosted tools."""

    def open(self, item: OutputItem) -> None:
        """An item begins."""

    def grow(self, delta: ItemStatusDelta | ItemTextDelta) -> int:
        """An item has reached a step, or its text has grown. Returns by how many characters."""

    def close(self, item: OutputItem) -> None:
        """An item ends in this form."""


class HostedEvents:
    """Records the items as events."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._indexes: dict[str, int] = {}
        """The output index of each open item, by its id."""

    def open(self, item: OutputItem) -> None:
        """An item begins."""
        index = self._indexes[str(item.id)] = self._transcript.output_count
        self._transcript.record(OutputItemAdded(output_index=index, item=item))

    def grow(self, delta: ItemStatusDelta | ItemTextDelta) -> int:
        """An item has reached a step, or its text has grown. Returns by how many characters."""
        if isinstance(delta, ItemStatusDelta):
            self._step(delta.item_id, delta.status)
            return 0
        index = self._indexes[delta.item_id]
        if delta.text:
            _, event = _TEXTS[type(self._transcript.item(index))]
            self._transcript.record(event(item_id=delta.item_id, output_index=index, delta=delta.text))
        if delta.is_last:
            end_text(self._transcript, index)
        return len(delta.text)

    def _step(self, item_id: str, status: str) -> None:
        """Record a step, where the family of the item has an event for it."""
        index = self._indexes[item_id]
        event = _STEPS.get(type(self._transcript.item(index)), {}).get(status)
        if event is not None:
            self._transcript.record(event(item_id=item_id, output_index=index))

    def close(self, item: OutputItem) -> None:
        """An item ends in this form, after the event of its last step."""
        index = self._indexes[str(item.id)]
        settle_item(self._transcript, index, item)
        self._step(str(item.id), _last_step(item))
        del self._indexes[str(item.id)]
        self._transcript.record(OutputItemDone(output_index=index, item=item))


class WholeRecorder(Protocol):
    """Records complete items, in the order in which they began."""

    def begin(self) -> int:
        """The index of an item that begins."""

    def end(self, index: int, item: OutputItem) -> None:
        """An item has ended."""


class OpenItems(msgspec.Struct):
    """The open items of a response whose events are not read, by their ids."""

    items: dict[str, tuple[int, Any]] = {}
    """The index and the form at its beginning of each item."""
    pieces: dict[str, list[str]] = {}
    """The pieces of its text."""


class HostedWholes:
    """Records the items when they have ended, for a response whose events are not read."""

    def __init__(self, recorder: WholeRecorder, open_items: OpenItems) -> None:
        self._items = recorder
        self._open = open_items.items
        self._pieces = open_items.pieces

    def open(self, item: OutputItem) -> None:
        """An item begins."""
        self._open[str(item.id)] = (self._items.begin(), item)

    def grow(self, delta: ItemStatusDelta | ItemTextDelta) -> int:
        """The text of an item has grown, which matters for an item that is cut. No one reads its steps."""
        if isinstance(delta, ItemStatusDelta):
            return 0
        self._pieces.setdefault(delta.item_id, []).append(delta.text)
        return len(delta.text)

    def close(self, item: OutputItem) -> None:
        """An item ends in this form."""
        index, _ = self._open.pop(str(item.id))
        self._pieces.pop(str(item.id), None)
        self._items.end(index, item)

    def cut(self, status: ItemStatus) -> None:
        """The response ends: so do all open items, with their text so far."""
        for item_id, (index, item) in self._open.items():
            if pieces := self._pieces.pop(item_id, None):
                name, _ = _TEXTS[type(item)]
                item = replace(item, **{name: (getattr(item, name) or "") + "".join(pieces)})  # noqa: PLW2901
            self._items.end(index, ended(item, status))
        self._open.clear()


def _last_step(item: Any) -> str:
    """The last step of an item: its status, or whether it has an error where it has no status."""
    if isinstance(item, McpListTools):
        return "failed" if item.error and item.error != NULL else "completed"
    return str(getattr(item, "status", ""))
