"""The relay: it records the events of an upstream with the Responses API, unchanged.

It makes one correction: where the upstream ends an object without ending its parts, the parts are ended first. Any
other event that the tables forbid is an error of the upstream, and the response fails. An item that came whole is
recorded as its events, or in one step where no client reads them.
"""

from __future__ import annotations

from typing import get_args

import msgspec

from penstock.errors import ApiError, upstream_failed
from penstock.json_codec import encode
from penstock.wire import Event, OutputItem, OutputItemDone, OutputTextDelta, StreamEvent

from .closing import settle_item
from .deltas import size_of
from .relayed_items import events_of
from .transcript import IllegalEvent, OpenText, Transcript

_ADDED: dict[type[Event], str] = {
    cls: field for cls in get_args(StreamEvent) for field in ("delta", "annotation") if field in cls.__struct_fields__
}
"""The field of an event that adds to the Response, by its class."""


class Relay(msgspec.Struct):
    """Records the events of one upstream's turn."""

    _transcript: Transcript
    _text: OpenText | None = None
    """The text that grew last."""

    def record(self, event: Event) -> None:
        """Record the event. Raises `ApiError` where the tables forbid it."""
        try:
            if isinstance(event, OutputItemDone):
                settle_item(self._transcript, event.output_index, event.item)
            self._transcript.record(event)
        except IllegalEvent as error:
            raise _out_of_order(error) from None

    def grow(self, event: Event, texts: list[str]) -> None:
        """Record an event like this one for each of the texts. Raises `ApiError` where the tables forbid it."""
        try:
            if self._text is None or self._text.event is not event:
                self._text = self._transcript.open_text(event)
            # spec: relayed-runs
            self._transcript.record_run(self._text, texts)
        except IllegalEvent as error:
            raise _out_of_order(error) from None

    def item(self, item: OutputItem) -> None:
        """Record the events of an item that came whole. Raises `ApiError` where the tables forbid it."""
        for event in events_of(item, self._transcript.output_count):
            self.record(event)


class WholeRelay(Relay):
    """Records a turn of which no client reads the events."""

    def item(self, item: OutputItem) -> None:
        """Record an item that came whole, in one step. Raises `ApiError` where the tables forbid it."""
        try:
            self._transcript.record_item(item)
        except IllegalEvent as error:
            raise _out_of_order(error) from None


def chars_of(event: Event) -> int:
    """How many characters the event adds to the Response."""
    field = _ADDED.get(type(event))
    if field is None:
        return 0
    added = getattr(event, field)
    logprobs = event.logprobs if type(event) is OutputTextDelta else ()
    return len(added if isinstance(added, str) else encode(added)) + (size_of(logprobs) if logprobs else 0)


def _out_of_order(error: IllegalEvent) -> ApiError:
    return upstream_failed(f"The upstream's events are in a wrong order: {error}.", retriable=False)
