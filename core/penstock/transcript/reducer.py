"""The reducer: it turns the deltas of any upstream into events, and records them in the transcript of one response.

It knows which item is open, and when the next one begins. A message or a reasoning item is open at a time, beside any
number of calls and of items of hosted tools: some upstreams write several calls at once, and tools run at once. It
never numbers an event and never stores a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from penstock.errors import ApiError, upstream_failed
from penstock.ids import NewId, Now
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.returned import Returned
from penstock.tool_calls import CallFormat
from penstock.tool_calls.function_call import FunctionCallFormat
from penstock.wire import (
    AudioDelta,
    AudioDone,
    CompactionItem,
    Completed,
    Created,
    Failed,
    Incomplete,
    IncompleteDetails,
    IncompleteReason,
    InProgress,
    ItemStatus,
    LifecycleEvent,
    OutputItemAdded,
    Queued,
    ReasoningItem,
    Response,
    ResponseError,
    Usage,
    UsageReported,
)

from . import deltas
from .calls import OpenCall, PendingCall
from .carried_fields import CarriedFields
from .closing import close_open
from .item_writers import EventItems, MessageWriter, ReasoningWriter, SealReasoning
from .passthrough import Relay, WholeRelay, chars_of
from .relayed_items import chars_in, complete
from .transcript import Transcript
from .whole import WholeItems, WholeMessage, WholeReasoning

_MESSAGES = (MessageWriter, WholeMessage)
_REASONING = (ReasoningWriter, WholeReasoning)


class Reducer:
    """Records one response. `forms` has the call format of each function.

    `seal` seals the text of each reasoning item, where the client asked for that. `seal_extras` seals the fields that
    the upstream needs back, in an item of its own.
    """

    _items: EventItems | WholeItems
    _relay: Relay
    _open_item: MessageWriter | WholeMessage | ReasoningWriter | WholeReasoning | None = None
    _usage: Usage | None = None
    _incomplete: IncompleteReason | None = None
    _upstream_error: ResponseError | None = None
    _begun, _has_audio, _has_relayed = 0, False, False

    def __init__(
        self,
        transcript: Transcript,
        *,
        forms: Mapping[str, CallFormat],
        limits: Limits,
        new_id: NewId,
        now_s: Now,
        summarize: bool = False,
        report_usage: bool = False,
        seal: SealReasoning | None = None,
        seal_extras: SealReasoning | None = None,
    ) -> None:
        self._transcript = transcript
        self._forms = forms
        self._limits = limits
        self._new_id = new_id
        self._now_s = now_s
        self._summarize = summarize
        self._report_usage = report_usage
        self._seal = seal
        self._seal_with_fields = seal_extras
        self._calls: dict[int, PendingCall] = {}
        self._carried = CarriedFields(transcript)
        self._response_fields: dict[str, Any] = {}
        self._budget = limits.output_bytes_max

    def begin(self, skeleton: Response) -> None:
        """Record the first events of the stream: two, or three for a response that was queued."""
        self._items = EventItems(self._transcript, self._new_id, summarize=self._summarize, seal=self._seal)
        self._relay = Relay(self._transcript)
        self._transcript.record(Created(response=skeleton))
        if skeleton.status == "queued":
            self._transcript.record(Queued(response=skeleton))
            skeleton = replace(skeleton, status="in_progress")
        self._transcript.record(InProgress(response=skeleton))

    def begin_whole(self, skeleton: Response) -> None:
        """The response begins in one step, and so does each of its items: no event of it will be read."""
        # spec: whole-replies
        self._items = WholeItems(self._transcript, self._new_id, self._summarize, self._seal)
        self._relay = WholeRelay(self._transcript)
        self._transcript.record_start(skeleton)

    def receive_all(self, batch: Iterable[deltas.Delta]) -> None:
        """Record each delta of a batch. Raises `ApiError` where the upstream sent more than the limits allow."""
        for delta in batch:
            _RECEIVE[type(delta)](self, delta)

    def ending(self, estimate: Callable[[Response], Usage], *, is_cut: bool = False) -> LifecycleEvent:
        """The upstream has ended its turn, or was cut short: close open items, and return the terminal event.

        The event is not recorded yet, so that its Response can be stored before a client gets it.
        """
        if self._upstream_error is not None:
            return self._failed(self._upstream_error)
        # spec: incomplete
        status: ItemStatus = "incomplete" if self._incomplete or is_cut else "completed"
        self._close(status)
        self._seal_extras()
        usage = self._usage or estimate(self._transcript.snapshot())
        if self._report_usage:
            self._transcript.record(UsageReported(usage=usage))
        fields = {"status": status, "usage": usage, **self._response_fields}
        if status == "incomplete":
            details = IncompleteDetails(reason=self._incomplete)
            return Incomplete(response=self._transcript.snapshot(incomplete_details=details, **fields))
        return Completed(response=self._transcript.snapshot(completed_at=self._now_s(), **fields))

    def returned(self) -> dict[str, Returned]:
        """What items carry for later turns, by their ids. For the end of a turn."""
        return self._carried.returned()

    def failure(self, error: ApiError) -> LifecycleEvent:
        """The response has failed: close open items as incomplete, and return the terminal event, as `ending` does."""
        return self._failed(error.response_error())

    def _failed(self, error: ResponseError) -> Failed:
        self._close("incomplete")
        response = self._transcript.snapshot(status="failed", usage=self._usage, error=error, **self._response_fields)
        return Failed(response=response)

    def abandon(self) -> None:
        """Treat open items as ended, so that a response can end after a bug."""
        self._open_item = None
        self._calls.clear()
        self._transcript.abandon()

    def _text(self, delta: deltas.TextDelta) -> None:
        if not delta.text:
            return
        self._spend(len(delta.text))
        if delta.logprobs:
            self._spend(deltas.size_of(delta.logprobs))
            self._message().text(delta)
        else:
            self._message().texts([delta.text])

    def _text_run(self, delta: deltas.TextRun) -> None:
        for texts in self._within_budget(delta.texts):
            item = self._open_item
            (item if type(item) is MessageWriter else self._message()).texts(texts)

    def _annotation(self, delta: deltas.AnnotationDelta) -> None:
        self._spend(len(encode(delta.annotation)))
        self._message().annotation(delta)

    def _refusal(self, delta: deltas.RefusalDelta) -> None:
        if delta.text:
            self._spend(len(delta.text))
            self._message().refusal(delta)

    def _reasoning(self, delta: deltas.ReasoningDelta) -> None:
        if delta.text:
            self._spend(len(delta.text))
            self._reasoning_item().texts([delta.text])

    def _reasoning_run(self, delta: deltas.ReasoningRun) -> None:
        for texts in self._within_budget(delta.texts):
            self._reasoning_item().texts(texts)

    def _reasoning_item(self) -> ReasoningWriter | WholeReasoning:
        """The open reasoning item. If there is none, the open item ends and a new one begins."""
        item = self._open_item
        if not isinstance(item, _REASONING):
            self._end_complete()
            self._count_item()
            item = self._open_item = self._items.reasoning()
        return item

    def _tool_call(self, delta: deltas.ToolCallDelta) -> None:
        self._spend(len(delta.arguments))
        if (call := self._calls.get(delta.index)) is None:
            self._end_complete()
            call = self._calls[delta.index] = PendingCall()
        call.receive(delta, self._open_call)

    def _item_opened(self, delta: deltas.ItemOpened) -> None:
        self._end_complete()
        self._count_item()
        self._items.hosted.open(delta.item)
        if delta.call is not None:
            self._carried.call_indexes[str(delta.item.id)] = delta.call

    def _item_grown(self, delta: deltas.ItemStatusDelta | deltas.ItemTextDelta) -> None:
        self._spend(self._items.hosted.grow(delta))

    def _item_closed(self, delta: deltas.ItemClosed) -> None:
        self._items.hosted.close(delta.item)
        if delta.reply:
            self._carried.add_reply(str(delta.item.id), delta.reply, delta.last_source)

    def _turn_ended(self, delta: deltas.TurnEnded) -> None:
        """The model's items end; those of hosted tools have ended when their tools had run."""
        self._close_model_items("completed")
        self._seal_extras()
        self._carried.end_turn()

    def _collect_extras(self, delta: deltas.Extras) -> None:
        self._spend(self._carried.add(delta))

    def _seal_extras(self) -> None:
        """Record an empty reasoning item with the sealed fields, for a client that stores its turns itself.

        A client that did not ask for sealed reasoning gets it only if the turn has calls: the next request needs it.
        """
        if self._seal_with_fields is None or not (self._seal or self._carried.call_indexes):
            return
        for item in self._carried.sealed(self._seal_with_fields, self._new_id):
            self._record_complete(item)

    def _compacted(self, delta: deltas.Compacted) -> None:
        self._end_complete()
        item_id = self._new_id(CompactionItem.id_prefix)
        self._record_complete(CompactionItem(id=item_id, encrypted_content=delta.encrypted_content))

    def _record_complete(self, item: CompactionItem | ReasoningItem) -> None:
        """Record an item that is complete when it begins."""
        self._count_item()
        self._items.item(item)

    def _image(self, delta: deltas.ImageDelta) -> None:
        """Record an image, which is complete when its item begins."""
        self._spend(len(delta.result))
        self._end_complete()
        self._count_item()
        self._items.image(delta)

    def _audio(self, delta: deltas.AudioDelta) -> None:
        self._spend(len(delta.data))
        self._has_audio = True
        self._transcript.record(AudioDelta(delta=delta.data))

    def _set_usage(self, delta: deltas.UsageDelta) -> None:
        self._usage = delta.usage

    def _finish(self, delta: deltas.Finish) -> None:
        self._incomplete = delta.incomplete

    def _set_error(self, delta: deltas.UpstreamFailed) -> None:
        self._upstream_error = delta.error

    def _relayed(self, delta: deltas.Relayed) -> None:
        event, self._has_relayed = delta.event, True
        if isinstance(event, OutputItemAdded):
            self._count_item()
        self._spend(chars_of(event))
        self._relay.record(event)

    def _relayed_run(self, delta: deltas.RelayedRun) -> None:
        for texts in self._within_budget(delta.texts):
            self._relay.grow(delta.event, texts)

    def _relayed_item(self, delta: deltas.RelayedItem) -> None:
        item = complete(delta.item, self._new_id)
        self._count_item()
        self._spend(chars_in(item))
        self._relay.item(item)

    def _set_fields(self, delta: deltas.ResponseFields) -> None:
        self._response_fields |= delta.fields

    def _message(self) -> MessageWriter | WholeMessage:
        """The open message. If there is none, the open item ends and a new message begins."""
        item = self._open_item
        if not isinstance(item, _MESSAGES):
            self._end_complete()
            self._count_item()
            item = self._open_item = self._items.message()
        return item

    def _open_call(self, index: int, name: str, call_id: str | None) -> OpenCall:
        """A call begins. A call of an unknown function becomes a `function_call`: the client may know it.

        It has the upstream's id, or a new id where there is none or another call of the turn has the same id.
        """
        self._count_item()
        # spec: call-ids-of-a-turn
        if call_id is None or call_id in self._carried.call_indexes:
            call_id = self._new_id("call_")
        self._carried.call_indexes[call_id] = index
        form = self._forms.get(name) or FunctionCallFormat(name)
        return self._items.call(form, name, call_id)

    def _end_complete(self) -> None:
        """Another item begins: the open item and all complete calls end, so that a client can run these calls.

        An incomplete call stays open, since some upstreams send other output between its pieces.
        """
        self._close_output("completed")
        for call in self._calls.values():
            if call.writer and not call.closed and call.writer.is_whole():
                call.close("completed")

    def _close_output(self, status: ItemStatus) -> None:
        if self._open_item is not None:
            self._open_item.close(status)
            self._open_item = None

    def _close_model_items(self, status: ItemStatus) -> None:
        self._close_output(status)
        for call in self._calls.values():
            call.close("completed" if call.writer and call.writer.is_whole() else status)
        self._calls.clear()

    def _close(self, status: ItemStatus) -> None:
        self._close_model_items(status)
        if self._has_audio:
            self._has_audio = False
            self._transcript.record(AudioDone())
        self._items.cut(status)
        if self._has_relayed:
            close_open(self._transcript, status)  # the items of relayed events have no writer

    def _count_item(self) -> None:
        """Count an item when it begins. The item of an action is recorded later."""
        self._begun += 1
        if self._begun > self._limits.output_items_max:
            message = f"The upstream wrote more than {self._limits.output_items_max} output items."
            raise upstream_failed(message, retriable=False)

    def _within_budget(self, texts: list[str]) -> Iterable[list[str]]:
        """All the texts at once, or one by one near the limit, so that the response ends at the same text."""
        chars = sum(map(len, texts))
        if chars > self._budget:
            return self._one_by_one(texts)
        self._budget -= chars
        return (texts,)

    def _one_by_one(self, texts: list[str]) -> Iterator[list[str]]:
        for text in texts:
            self._spend(len(text))
            yield [text]

    def _spend(self, chars: int) -> None:
        self._budget -= chars
        # spec: memory
        if self._budget < 0:
            message = f"The upstream wrote more than {self._limits.output_bytes_max} characters."
            raise upstream_failed(message, retriable=False)


_RECEIVE: dict[type[Any], Callable[[Reducer, Any], None]] = {
    deltas.TextDelta: Reducer._text,
    deltas.TextRun: Reducer._text_run,
    deltas.AnnotationDelta: Reducer._annotation,
    deltas.RefusalDelta: Reducer._refusal,
    deltas.ReasoningDelta: Reducer._reasoning,
    deltas.ReasoningRun: Reducer._reasoning_run,
    deltas.ToolCallDelta: Reducer._tool_call,
    deltas.Extras: Reducer._collect_extras,
    deltas.ImageDelta: Reducer._image,
    deltas.AudioDelta: Reducer._audio,
    deltas.Compacted: Reducer._compacted,
    deltas.ItemOpened: Reducer._item_opened,
    deltas.ItemStatusDelta: Reducer._item_grown,
    deltas.ItemTextDelta: Reducer._item_grown,
    deltas.ItemClosed: Reducer._item_closed,
    deltas.TurnEnded: Reducer._turn_ended,
    deltas.UsageDelta: Reducer._set_usage,
    deltas.Finish: Reducer._finish,
    deltas.UpstreamFailed: Reducer._set_error,
    deltas.Relayed: Reducer._relayed,
    deltas.RelayedRun: Reducer._relayed_run,
    deltas.RelayedItem: Reducer._relayed_item,
    deltas.ResponseFields: Reducer._set_fields,
}
"""The method of each delta. A table of bound methods in the reducer would be a reference cycle."""
