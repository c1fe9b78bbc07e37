"""A Response that came whole, as the events that a stream of it would have had.

It knows the events of the items that grow, with each text in one piece here; any other item comes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from penstock.wire import (
    ContentPartAdded,
    CustomToolCall,
    CustomToolCallInputDelta,
    Event,
    FunctionCall,
    FunctionCallArgumentsDelta,
    Message,
    OutputItemAdded,
    OutputItemDone,
    OutputText,
    OutputTextDelta,
    ReasoningItem,
    ReasoningSummaryPartAdded,
    ReasoningSummaryTextDelta,
    ReasoningText,
    ReasoningTextDelta,
    Refusal,
    RefusalDelta,
    SummaryText,
)

Position = dict[str, Any]
"""The position of an item: its `item_id` and `output_index`."""


def events_of(items: Iterable[Any]) -> Iterator[Event]:
    """Every item, from its beginning to its end; what is left open within, the relay ends."""
    for index, item in enumerate(items):
        empty, events = _EVENTS.get(type(item), ({}, _at_once))
        # spec: relayed-whole
        yield OutputItemAdded(output_index=index, item=replace(item, **empty))
        yield from events(item, {"item_id": item.id, "output_index": index})
        yield OutputItemDone(output_index=index, item=item)


def _at_once(item: Any, at: Position) -> Iterator[Event]:
    return iter(())


def _arguments(item: FunctionCall, at: Position) -> Iterator[Event]:
    if item.arguments:
        yield FunctionCallArgumentsDelta(**at, delta=item.arguments)


def _input(item: CustomToolCall, at: Position) -> Iterator[Event]:
    if item.input:
        yield CustomToolCallInputDelta(**at, delta=item.input)


def _content(item: Message | ReasoningItem, at: Position) -> Iterator[Event]:
    for index, part in enumerate(item.content or ()):
        where = at | {"content_index": index}
        if type(part) not in _PARTS:
            yield ContentPartAdded(**where, part=part)  # type: ignore[arg-type]
            continue
        empty, event = _PARTS[type(part)]
        yield ContentPartAdded(**where, part=empty)
        yield event(part, where)


def _thoughts(item: ReasoningItem, at: Position) -> Iterator[Event]:
    yield from _content(item, at)
    for index, part in enumerate(item.summary):
        if isinstance(part, SummaryText):
            yield ReasoningSummaryPartAdded(**at, summary_index=index, part=SummaryText(text=""))
            yield ReasoningSummaryTextDelta(**at, summary_index=index, delta=part.text)


_BEGUN = {"status": "in_progress"}
_EVENTS: dict[type[Any], tuple[dict[str, Any], Callable[[Any, Position], Iterator[Event]]]] = {
    Message: ({**_BEGUN, "content": []}, _content),
    ReasoningItem: ({**_BEGUN, "content": [], "summary": []}, _thoughts),
    FunctionCall: ({**_BEGUN, "arguments": ""}, _arguments),
    CustomToolCall: ({**_BEGUN, "input": ""}, _input),
}
"""What a growing item is before anything is in it, and the events that fill it, by its class."""

_PARTS: dict[type[Any], tuple[Any, Callable[[Any, Position], Event]]] = {
    OutputText: (
        OutputText(text=""),
        lambda part, at: OutputTextDelta(**at, delta=part.text, logprobs=part.logprobs or []),
    ),
    Refusal: (Refusal(refusal=""), lambda part, at: RefusalDelta(**at, delta=part.refusal)),
    ReasoningText: (ReasoningText(text=""), lambda part, at: ReasoningTextDelta(**at, delta=part.text)),
}
"""The same for parts, by the part's class."""
