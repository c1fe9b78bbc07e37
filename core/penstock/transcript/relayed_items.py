"""The items of an upstream's Response that came whole, as the events that a stream of them would have had.

It knows the events of the items that grow, with each text in one piece here; any other item comes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from penstock.ids import NewId
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
    UnknownItem,
)

from .deltas import size_of

Position = dict[str, Any]
"""The position of an item: its `item_id` and `output_index`."""


def complete(item: Any, new_id: NewId) -> Any:
    """The item in its long form, with an id where the upstream has left it out. An unknown one is as it came."""
    item = item.long_form()
    # spec: relayed-whole
    return item if item.id or isinstance(item, UnknownItem) else replace(item, id=new_id(item.id_prefix))


def events_of(item: Any, index: int) -> Iterator[Event]:
    """The item at this index, from its beginning to its end; what is left open within, the relay ends."""
    kind = _ITEMS.get(type(item))
    # spec: relayed-whole
    yield OutputItemAdded(output_index=index, item=item if kind is None else replace(item, **kind.empty))
    if kind is not None:
        yield from kind.events(item, {"item_id": item.id, "output_index": index})
    yield OutputItemDone(output_index=index, item=item)


def chars_in(item: Any) -> int:
    """How many characters the events of the item add to the Response."""
    kind = _ITEMS.get(type(item))
    return 0 if kind is None else kind.chars(item)


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
        kind = _PARTS[type(part)]
        yield ContentPartAdded(**where, part=kind.empty)
        yield kind.event(part, where)


def _thoughts(item: ReasoningItem, at: Position) -> Iterator[Event]:
    yield from _content(item, at)
    for index, part in enumerate(item.summary):
        if isinstance(part, SummaryText):
            yield ReasoningSummaryPartAdded(**at, summary_index=index, part=SummaryText(text=""))
            yield ReasoningSummaryTextDelta(**at, summary_index=index, delta=part.text)


def _chars(parts: Iterable[Any]) -> int:
    """How many characters grow in these parts."""
    return sum([_PARTS[type(part)].chars(part) for part in parts if type(part) in _PARTS])


class _Part(NamedTuple):
    """A part that grows: what it is before anything is in it, the event that fills it, and the characters of that."""

    empty: Any
    event: Callable[[Any, Position], Event]
    chars: Callable[[Any], int]


class _Item(NamedTuple):
    """The same for an item."""

    empty: dict[str, Any]
    events: Callable[[Any, Position], Iterator[Event]]
    chars: Callable[[Any], int]


_PARTS: dict[type[Any], _Part] = {
    OutputText: _Part(
        OutputText(text=""),
        lambda part, at: OutputTextDelta(**at, delta=part.text, logprobs=part.logprobs or []),
        lambda part: len(part.text) + (size_of(part.logprobs) if part.logprobs else 0),
    ),
    Refusal: _Part(
        Refusal(refusal=""),
        lambda part, at: RefusalDelta(**at, delta=part.refusal),
        lambda part: len(part.refusal),
    ),
    ReasoningText: _Part(
        ReasoningText(text=""),
        lambda part, at: ReasoningTextDelta(**at, delta=part.text),
        lambda part: len(part.text),
    ),
}
"""The parts that grow, by their class."""

_BEGUN = {"status": "in_progress"}
_ITEMS: dict[type[Any], _Item] = {
    Message: _Item({**_BEGUN, "content": []}, _content, lambda item: _chars(item.content)),
    ReasoningItem: _Item(
        {**_BEGUN, "content": [], "summary": []},
        _thoughts,
        lambda item: _chars(item.content or ()) + sum(len(getattr(part, "text", "")) for part in item.summary),
    ),
    FunctionCall: _Item({**_BEGUN, "arguments": ""}, _arguments, lambda item: len(item.arguments)),
    CustomToolCall: _Item({**_BEGUN, "input": ""}, _input, lambda item: len(item.input)),
}
"""The items that grow, by their class."""
