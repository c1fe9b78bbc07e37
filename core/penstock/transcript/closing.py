"""Closing: ending in order what a run has left open, from the events alone.

A run whose process died, or that was cancelled from elsewhere, cannot close its items itself. Whoever ends it folds
the events that were kept and closes what they left open, so that the stream of a follower ends as every stream does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from penstock.wire import (
    ApplyPatchCall,
    ContentPartDone,
    CustomToolCall,
    CustomToolCallInputDone,
    Event,
    FunctionCall,
    FunctionCallArgumentsDone,
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
)

from .lifecycle import DONE, OPEN
from .transcript import Transcript

Place = dict[str, Any]
"""Where a part stands: `item_id`, `output_index` and the index within the item."""

SETTLE_PART: dict[type[Part], Callable[[Any, Place], Event]] = {
    OutputText: lambda part, at: OutputTextDone(**at, text=part.text, logprobs=part.logprobs),
    Refusal: lambda part, at: RefusalDone(**at, refusal=part.refusal),
    ReasoningText: lambda part, at: ReasoningTextDone(**at, text=part.text),
    SummaryText: lambda part, at: ReasoningSummaryTextDone(**at, text=part.text),
}
"""The event that settles a part, by the part's class."""

END_PART: dict[type[Part], Callable[[Any, Place], Event]] = {
    OutputText: lambda part, at: ContentPartDone(**at, part=part),
    Refusal: lambda part, at: ContentPartDone(**at, part=part),
    ReasoningText: lambda part, at: ContentPartDone(**at, part=part),
    SummaryText: lambda part, at: ReasoningSummaryPartDone(**at, part=part),
}
"""The event that ends a part, by the part's class."""

_SETTLE_ITEM: dict[type[Any], Callable[[Any, int], Event]] = {
    FunctionCall: lambda item, index: FunctionCallArgumentsDone(
        item_id=item.id, output_index=index, name=item.name, arguments=item.arguments
    ),
    CustomToolCall: lambda item, index: CustomToolCallInputDone(item_id=item.id, output_index=index, input=item.input),
}
"""The event that settles an item's own text, by the item's class; other items have none."""

_CUT: dict[type[Any], str] = {ApplyPatchCall: "in_progress"}
"""The status in which an item of a class is left that knows no `incomplete`."""


def close_open(transcript: Transcript) -> None:
    """Record the events that end every item that is still open, as incomplete."""
    for index in range(transcript.output_count):
        state = transcript.item_state(index)
        if state == DONE:
            continue
        _close_parts(transcript, index)
        item = transcript.item(index)
        settle = _SETTLE_ITEM.get(type(item))
        if settle is not None and state == OPEN:
            transcript.record(settle(item, index))
        transcript.record(OutputItemDone(output_index=index, item=_cut_short(item)))


def _cut_short(item: Any) -> Any:
    """The item in its final form; some families have no status."""
    if "status" not in item.__struct_fields__:
        return item
    return replace(item, status=_CUT.get(type(item), "incomplete"))


def _close_parts(transcript: Transcript, output_index: int) -> None:
    item_id = transcript.item(output_index).id
    for place, number, part, state in transcript.open_parts(output_index):
        at = {"item_id": item_id, "output_index": output_index, place: number}
        if state == OPEN:
            transcript.record(SETTLE_PART[type(part)](part, at))
        transcript.record(END_PART[type(part)](part, at))
