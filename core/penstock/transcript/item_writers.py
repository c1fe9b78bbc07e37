"""The item writers: each writes the events of one open output item.

A writer is created when its item begins, and closed when the item ends. Each kind of item has its class of writers, so
that no text can be added to a call. Every final text is read from the transcript, and never stored twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias

from msgspec.structs import replace

from penstock.ids import NewId
from penstock.tool_calls import ActionCallFormat, CallFormat, TextCallFormat
from penstock.wire import (
    UNSET,
    ContentPartAdded,
    ImageGenerationCall,
    ImageGenerationCallCompleted,
    ImageGenerationCallGenerating,
    ImageGenerationCallInProgress,
    ItemStatus,
    Message,
    OutputItem,
    OutputItemAdded,
    OutputItemDone,
    OutputText,
    OutputTextAnnotationAdded,
    OutputTextDelta,
    Part,
    ReasoningItem,
    ReasoningSummaryPartAdded,
    ReasoningSummaryTextDelta,
    ReasoningText,
    ReasoningTextDelta,
    Refusal,
    RefusalDelta,
    SummaryText,
)

from . import deltas
from .calls import ActionCall
from .closing import END_PART, SETTLE_PART, close_open
from .hosted_items import HostedEvents, HostedItems
from .transcript import OpenText, Transcript

SealReasoning: TypeAlias = Callable[[ReasoningItem], str | None]
"""Seals the text and the carried fields of a reasoning item, for the client to send back. None if it is too long."""


class ItemWriter:
    """One open item at one output index."""

    def __init__(self, transcript: Transcript, item: Any) -> None:
        self._transcript = transcript
        self.item_id: str = item.id
        self.output_index = transcript.output_count
        transcript.record(OutputItemAdded(output_index=self.output_index, item=item))

    def close(self, status: ItemStatus) -> None:
        """End all that is open in the item, and then the item."""
        self._end(status)

    def _end(self, status: ItemStatus, seal: SealReasoning | None = None) -> None:
        item = replace(self._transcript.item(self.output_index), status=status)
        # spec: sealed
        if seal is not None:
            item = replace(item, encrypted_content=seal(item))
        self._transcript.record(OutputItemDone(output_index=self.output_index, item=item))


class _PartWriter(ItemWriter):
    """An item with content parts, of which at most the last one is open."""

    _text: OpenText
    """The text of the last part."""

    def __init__(self, transcript: Transcript, item: Any) -> None:
        super().__init__(transcript, item)
        self._content_index = -1
        self._part_class: type[Part] | None = None

    def _at(self) -> dict[str, Any]:
        return {
            "item_id": self.item_id,
            "output_index": self.output_index,
            "content_index": self._content_index,
        }

    def _open_part(self, part_class: type[Part]) -> None:
        """Close the open part and open an empty one of this class."""
        self._close_part()
        self._part_class = part_class
        self._content_index += 1
        self._transcript.record(ContentPartAdded(**self._at(), part=_EMPTY[part_class]))
        self._text = self._transcript.open_text(_APPEND[part_class](**self._at(), delta=""))

    def _close_part(self) -> None:
        if self._part_class is None:
            return
        part = self._text.node.frozen()
        self._transcript.record(SETTLE_PART[self._part_class](part, self._at()))
        self._transcript.record(END_PART[self._part_class](part, self._at()))
        self._part_class = None

    def close(self, status: ItemStatus) -> None:
        """End the open part, then the item."""
        self._close_part()
        self._end(status)


_EMPTY: dict[type[Part], Any] = {
    OutputText: OutputText(text=""),
    Refusal: Refusal(refusal=""),
    ReasoningText: ReasoningText(text=""),
}
"""An empty part of each class. It can be shared, since the transcript never changes an object of an event."""

_APPEND: dict[type[Part], Any] = {
    OutputText: OutputTextDelta,
    Refusal: RefusalDelta,
    # spec: reasoning-events
    ReasoningText: ReasoningTextDelta,
}
"""The events that append to the text of a part, by its class."""


class MessageWriter(_PartWriter):
    """The open message: text, annotations and refusals."""

    def __init__(self, transcript: Transcript, new_id: NewId) -> None:
        message = Message(id=new_id(Message.id_prefix), status="in_progress", role="assistant", content=[])
        super().__init__(transcript, message)
        self._annotations = 0

    def texts(self, texts: list[str]) -> None:
        """Pieces of text."""
        if self._part_class is not OutputText:
            self._open_part(OutputText)
        self._transcript.record_run(self._text, texts)

    def text(self, delta: deltas.TextDelta) -> None:
        """A piece of text, with its logprobs."""
        if self._part_class is not OutputText:
            self._open_part(OutputText)
        self._transcript.record(OutputTextDelta(**self._at(), delta=delta.text, logprobs=delta.logprobs))

    def annotation(self, delta: deltas.AnnotationDelta) -> None:
        """An annotation of the text."""
        if self._part_class is not OutputText:
            self._annotations = 0
            self._open_part(OutputText)
        event = OutputTextAnnotationAdded(**self._at(), annotation_index=self._annotations, annotation=delta.annotation)
        self._annotations += 1
        self._transcript.record(event)

    def refusal(self, delta: deltas.RefusalDelta) -> None:
        """A piece of a refusal."""
        self._annotations = 0
        if self._part_class is not Refusal:
            self._open_part(Refusal)
        self._transcript.record_run(self._text, [delta.text])


class ReasoningWriter(_PartWriter):
    """The open reasoning item. Where a summary was asked for, it is the text again, at the same time."""

    def __init__(
        self, transcript: Transcript, new_id: NewId, *, summarize: bool, seal: SealReasoning | None = None
    ) -> None:
        item = ReasoningItem(id=new_id(ReasoningItem.id_prefix), status="in_progress", summary=[], content=[])
        super().__init__(transcript, item)
        self._at_summary: dict[str, Any] = {
            "item_id": self.item_id,
            "output_index": self.output_index,
            "summary_index": 0,
        }
        self._summarize = summarize
        self._seal = seal
        if summarize:
            transcript.record(ReasoningSummaryPartAdded(**self._at_summary, part=SummaryText(text="")))
            self._summary = transcript.open_text(ReasoningSummaryTextDelta(**self._at_summary, delta=""))

    def texts(self, texts: list[str]) -> None:
        """Pieces of the text. Each is appended to the summary at once, if there is one."""
        if self._part_class is not ReasoningText:
            self._open_part(ReasoningText)
        if not self._summarize:
            self._transcript.record_run(self._text, texts)
            return
        for text in texts:
            self._transcript.record_run(self._text, [text])
            self._transcript.record_run(self._summary, [text])

    def close(self, status: ItemStatus) -> None:
        """End the text, the summary, and then the item."""
        self._close_part()
        if self._summarize:
            part = self._transcript.item(self.output_index).summary[0]
            self._transcript.record(SETTLE_PART[SummaryText](part, self._at_summary))
            self._transcript.record(END_PART[SummaryText](part, self._at_summary))
        self._end(status, self._seal)


class CallWriter(ItemWriter):
    """The open call of a function, in the call format of its tool family."""

    def __init__(self, transcript: Transcript, new_id: NewId, form: TextCallFormat, call_id: str) -> None:
        self._form = form
        self._reader = form.reader()
        super().__init__(transcript, form.item(id=new_id(form.id_prefix), call_id=call_id))
        self._text = transcript.open_text(form.delta(item_id=self.item_id, output_index=self.output_index, delta=""))

    def arguments(self, fragment: str) -> None:
        """A piece of the arguments."""
        self._write(self._reader.feed(fragment))

    def is_whole(self) -> bool:
        """Whether the arguments are a whole JSON value, so that the call may end."""
        return self._reader.is_whole()

    def close(self, status: ItemStatus) -> None:
        """Write the rest of the text, end the text, and then the item."""
        self._write(self._reader.close() if status == "completed" else self._reader.cut())
        item = self._transcript.item(self.output_index)
        self._transcript.record(self._form.done(item=item, output_index=self.output_index))
        self._end(status)

    def _write(self, text: str) -> None:
        if text:
            self._transcript.record_run(self._text, [text])


class EventItems:
    """Writes the items of one response as events, while they grow."""

    def __init__(
        self, transcript: Transcript, new_id: NewId, *, summarize: bool = False, seal: SealReasoning | None = None
    ) -> None:
        self.new_id = new_id
        self._transcript = transcript
        self._summarize = summarize
        self._seal = seal

    def message(self) -> MessageWriter:
        """A message begins."""
        return MessageWriter(self._transcript, self.new_id)

    def reasoning(self) -> ReasoningWriter:
        """A reasoning item begins."""
        return ReasoningWriter(self._transcript, self.new_id, summarize=self._summarize, seal=self._seal)

    def call(self, form: CallFormat, name: str, call_id: str) -> CallWriter | ActionCall:
        """A call begins."""
        if isinstance(form, ActionCallFormat):
            return ActionCall(self, form, name, call_id)
        return CallWriter(self._transcript, self.new_id, form, call_id)

    def action(self, form: ActionCallFormat, item: Any, action: Any) -> None:
        """Record all events of a call with an action."""
        writer = ItemWriter(self._transcript, form.begun(item))
        for event in form.events(item_id=writer.item_id, output_index=writer.output_index, action=action):
            self._transcript.record(event)
        writer.close("completed")

    def image(self, delta: deltas.ImageDelta) -> None:
        """Record all events of an image that is complete."""
        output_format = delta.output_format or UNSET
        index, item_id = self._transcript.output_count, self.new_id(ImageGenerationCall.id_prefix)
        item = ImageGenerationCall(id=item_id, status="in_progress", output_format=output_format)
        self._transcript.record(OutputItemAdded(output_index=index, item=item))
        for event in (ImageGenerationCallInProgress, ImageGenerationCallGenerating, ImageGenerationCallCompleted):
            self._transcript.record(event(item_id=item_id, output_index=index))
        item = replace(item, status="completed", result=delta.result)
        self._transcript.record(OutputItemDone(output_index=index, item=item))

    @cached_property
    def hosted(self) -> HostedItems:
        """The writer of the items of hosted tools."""
        return HostedEvents(self._transcript)

    def cut(self, status: ItemStatus) -> None:
        """The response ends. What is open is open in the transcript too, and is closed there."""
        close_open(self._transcript, status)

    def item(self, item: OutputItem) -> None:
        """Record an item that is complete when it begins."""
        index = self._transcript.output_count
        self._transcript.record(OutputItemAdded(output_index=index, item=item))
        self._transcript.record(OutputItemDone(output_index=index, item=item))
