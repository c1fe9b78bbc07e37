"""Complete items: the output of a response whose events are not read.

An item is collected while the upstream writes it, and recorded in one step when it has ended. It equals the item that
its events would make. Items are recorded in the order in which they began.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.ids import NewId
from penstock.tool_calls import ActionCallFormat, CallFormat, TextCallFormat
from penstock.wire import (
    UNSET,
    Annotation,
    ImageGenerationCall,
    ItemStatus,
    Logprob,
    Message,
    OutputItem,
    OutputText,
    ReasoningItem,
    ReasoningText,
    Refusal,
    SummaryText,
)

from . import deltas
from .calls import ActionCall
from .hosted_items import HostedWholes, OpenItems
from .item_writers import SealReasoning
from .transcript import Transcript


class WholeItems(msgspec.Struct):
    """Records the items of one response, each when it and all items before it have ended."""

    _transcript: Transcript
    new_id: NewId
    _summarize: bool
    _seal: SealReasoning | None
    _items: list[OutputItem | None] = []
    """The items that have begun, in order. None for an item that has not ended."""
    _recorded: int = 0
    _open_hosted: OpenItems | None = None
    """The items of hosted tools that are open, once there was one."""

    def message(self) -> WholeMessage:
        """A message begins."""
        return WholeMessage(self, self.begin(), self.new_id(Message.id_prefix))

    def reasoning(self) -> WholeReasoning:
        """A reasoning item begins."""
        return WholeReasoning(self, summarize=self._summarize, seal=self._seal)

    def call(self, form: CallFormat, name: str, call_id: str) -> WholeCall | ActionCall:
        """A call begins."""
        if isinstance(form, ActionCallFormat):
            return ActionCall(self, form, name, call_id)
        return WholeCall(self, form, call_id)

    def action(self, form: ActionCallFormat, item: Any, action: Any) -> None:
        """A call with an action begins and ends at once."""
        self.item(replace(item, status="completed"))

    def image(self, delta: deltas.ImageDelta) -> None:
        """An image begins and ends at once."""
        output_format = delta.output_format or UNSET
        item_id = self.new_id(ImageGenerationCall.id_prefix)
        self.item(ImageGenerationCall(id=item_id, status="completed", result=delta.result, output_format=output_format))

    @property
    def hosted(self) -> HostedWholes:
        """A writer of the items of hosted tools."""
        self._open_hosted = self._open_hosted or OpenItems()
        return HostedWholes(self, self._open_hosted)

    def cut(self, status: ItemStatus) -> None:
        """The response ends, and with it the items of hosted tools that are open."""
        if self._open_hosted is not None:
            self.hosted.cut(status)

    def item(self, item: OutputItem) -> None:
        """Record an item that is complete when it begins."""
        self.end(self.begin(), item)

    def begin(self) -> int:
        """The index of an item that begins."""
        self._items.append(None)
        return len(self._items) - 1

    def end(self, index: int, item: OutputItem) -> None:
        """An item has ended: record it, and the ended items that waited for it."""
        items = self._items
        items[index] = item
        while self._recorded < len(items) and (ended := items[self._recorded]) is not None:
            self._transcript.record_item(ended)
            self._recorded += 1


class _Part(msgspec.Struct, eq=False):
    """A content part while it is written: the pieces of its text, its logprobs and its annotations."""

    kind: type[OutputText | Refusal]
    pieces: list[str] = []
    logprobs: list[Logprob] = []
    annotations: list[Annotation] = []

    def complete(self) -> OutputText | Refusal:
        """The current part."""
        text = "".join(self.pieces)
        if self.kind is Refusal:
            return Refusal(refusal=text)
        return OutputText(text=text, annotations=self.annotations, logprobs=self.logprobs)


class WholeMessage(msgspec.Struct):
    """A message: text, annotations and refusals. Consecutive pieces of one kind make one part."""

    _items: WholeItems
    _index: int
    _item_id: str
    _parts: list[_Part] = []

    def texts(self, texts: list[str]) -> None:
        """Pieces of text."""
        self._part(OutputText).pieces += texts

    def text(self, delta: deltas.TextDelta) -> None:
        """A piece of text, with its logprobs."""
        part = self._part(OutputText)
        part.pieces.append(delta.text)
        part.logprobs += delta.logprobs

    def annotation(self, delta: deltas.AnnotationDelta) -> None:
        """An annotation of the text."""
        self._part(OutputText).annotations.append(delta.annotation)

    def refusal(self, delta: deltas.RefusalDelta) -> None:
        """A piece of a refusal."""
        self._part(Refusal).pieces.append(delta.text)

    def close(self, status: ItemStatus) -> None:
        """The message has ended."""
        content: list[Any] = list(map(_Part.complete, self._parts))
        self._items.end(self._index, Message(id=self._item_id, status=status, role="assistant", content=content))

    def _part(self, kind: type[OutputText | Refusal]) -> _Part:
        if not self._parts or self._parts[-1].kind is not kind:
            self._parts.append(_Part(kind))
        return self._parts[-1]


class WholeReasoning:
    """A reasoning item. Where a summary was asked for, it is the text again."""

    def __init__(self, items: WholeItems, *, summarize: bool, seal: SealReasoning | None) -> None:
        self._items = items
        self._index = items.begin()
        self._item_id = items.new_id(ReasoningItem.id_prefix)
        self._summarize = summarize
        self._seal = seal
        self._pieces: list[str] = []

    def texts(self, texts: list[str]) -> None:
        """Pieces of the text."""
        self._pieces += texts

    def close(self, status: ItemStatus) -> None:
        """The item has ended. It is sealed where that was asked for."""
        text = "".join(self._pieces)
        item = ReasoningItem(
            id=self._item_id,
            status=status,
            summary=[SummaryText(text=text)] if self._summarize else [],
            content=[ReasoningText(text=text)],
        )
        if self._seal is not None:
            item = replace(item, encrypted_content=self._seal(item))
        self._items.end(self._index, item)


class WholeCall:
    """The call of a function, in the call format of its tool family."""

    def __init__(self, items: WholeItems, form: TextCallFormat, call_id: str) -> None:
        self._items = items
        self._index = items.begin()
        self._form = form
        self._reader = form.reader()
        self._item_id = items.new_id(form.id_prefix)
        self._call_id = call_id
        self._pieces: list[str] = []

    def arguments(self, fragment: str) -> None:
        """A piece of the arguments."""
        self._pieces.append(self._reader.feed(fragment))

    def is_whole(self) -> bool:
        """Whether the arguments are a complete JSON value, so that the call may end."""
        return self._reader.is_whole()

    def close(self, status: ItemStatus) -> None:
        """The call has ended. It gets the rest of the reader's text."""
        self._pieces.append(self._reader.close() if status == "completed" else self._reader.cut())
        item: Any = self._form.item(id=self._item_id, call_id=self._call_id, text="".join(self._pieces))
        self._items.end(self._index, replace(item, status=status))
