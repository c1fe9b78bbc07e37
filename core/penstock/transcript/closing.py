"""Ends the items that a run has left open, in order, from its events.

A run whose process died, or that was cancelled by another process, cannot close its items itself. The process that ends
the run folds the stored events and closes the open items, so that the stream of a follower ends as every stream does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from penstock.wire import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    CodeInterpreterCall,
    CodeInterpreterCallCodeDone,
    ContentPartDone,
    CustomToolCall,
    CustomToolCallInputDone,
    Event,
    FunctionCall,
    FunctionCallArgumentsDone,
    ImageGenerationCall,
    Item,
    ItemStatus,
    McpCall,
    McpCallArgumentsDone,
    OutputItemDone,
    OutputText,
    OutputTextDone,
    Part,
    ReasoningSummaryPartDone,
    ReasoningSummaryTextDone,
    ReasoningText,
    ReasoningTextDone,
    Refusal,
    RefusalDone,
    SummaryText,
    UnknownPart,
)

from .lifecycle import DONE, OPEN
from .transcript import Transcript

Position = dict[str, Any]
"""The position of a part: `item_id`, `output_index` and the index in the item."""

SETTLE_PART: dict[type[Part], Callable[[Any, Position], Event]] = {
    OutputText: lambda part, at: OutputTextDone(**at, text=part.text, logprobs=part.logprobs),
    Refusal: lambda part, at: RefusalDone(**at, refusal=part.refusal),
    ReasoningText: lambda part, at: ReasoningTextDone(**at, text=part.text),
    SummaryText: lambda part, at: ReasoningSummaryTextDone(**at, text=part.text),
}
"""The event with the complete text of a part, by the part's class. An unknown part has none."""


def _end_unknown(part: UnknownPart, at: Position) -> Event:
    """The event that ends an unknown part, which may be in a content or in a summary."""
    return ReasoningSummaryPartDone(**at, part=part) if "summary_index" in at else ContentPartDone(**at, part=part)


END_PART: dict[type[Part], Callable[[Any, Position], Event]] = {
    OutputText: lambda part, at: ContentPartDone(**at, part=part),
    Refusal: lambda part, at: ContentPartDone(**at, part=part),
    ReasoningText: lambda part, at: ContentPartDone(**at, part=part),
    SummaryText: lambda part, at: ReasoningSummaryPartDone(**at, part=part),
    UnknownPart: _end_unknown,
}
"""The event that ends a part, by the part's class."""


_SETTLE_ITEM: dict[type[Any], Callable[[Any, int], Event]] = {
    FunctionCall: lambda item, index: FunctionCallArgumentsDone(
        item_id=item.id, output_index=index, name=item.name, arguments=item.arguments
    ),
    CustomToolCall: lambda item, index: CustomToolCallInputDone(item_id=item.id, output_index=index, input=item.input),
    McpCall: lambda item, index: McpCallArgumentsDone(item_id=item.id, output_index=index, arguments=item.arguments),
    CodeInterpreterCall: lambda item, index: CodeInterpreterCallCodeDone(
        item_id=item.id, output_index=index, code=item.code or ""
    ),
}
"""The event with the complete text of an item, by the item's class. Other items have none."""

_CUT: dict[type[Item], str] = {ImageGenerationCall: "failed"}
"""The status of an item that was cut short, where its family has no `incomplete`."""
_UNCHANGED: frozenset[type[Item]] = frozenset({ApplyPatchCall, ApplyPatchCallOutput})
"""Families without a status for this: their items end with the status that they have."""


def close_open(transcript: Transcript, status: ItemStatus = "incomplete") -> None:
    """Record the events that end all open items, with this status."""
    if transcript.is_settled:
        return
    for index in range(transcript.output_count):
        # spec: pairs
        if transcript.item_state(index) != DONE:
            settle_item(transcript, index, transcript.item(index))
            item = ended(transcript.item(index), status)
            transcript.record(OutputItemDone(output_index=index, item=item))


def settle_item(transcript: Transcript, output_index: int, item: Item) -> None:
    """Record the events that end all that is open in an item, so that it can end as `item`."""
    if output_index not in range(transcript.output_count) or transcript.item_state(output_index) == DONE:
        return
    _close_parts(transcript, output_index)
    _end_text(transcript, output_index, item)


def end_text(transcript: Transcript, output_index: int) -> None:
    """Record the event with the complete text of an item, as it has grown."""
    _end_text(transcript, output_index, transcript.item(output_index))


def _end_text(transcript: Transcript, output_index: int, item: Item) -> None:
    settle = _SETTLE_ITEM.get(type(item))
    if settle is not None and transcript.item_state(output_index) == OPEN:
        transcript.record(settle(item, output_index))


def ended(item: Any, status: ItemStatus) -> Any:
    """The final form of an item. Some families have no status, or none for this."""
    if "status" not in item.__struct_fields__ or (status == "incomplete" and type(item) in _UNCHANGED):
        return item
    return replace(item, status=_CUT.get(type(item), status) if status == "incomplete" else status)


def _close_parts(transcript: Transcript, output_index: int) -> None:
    open_parts = transcript.open_parts(output_index)
    item_id = transcript.item(output_index).id if open_parts else ""
    for index_name, number, part, state in open_parts:
        at = {"item_id": item_id, "output_index": output_index, index_name: number}
        settle = SETTLE_PART.get(type(part))
        if settle is not None and state == OPEN:
            transcript.record(settle(part, at))
        transcript.record(END_PART[type(part)](part, at))
