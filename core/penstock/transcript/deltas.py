"""The deltas: the output of an upstream, in one form for all dialects.

A delta is a small piece of output: of text, of reasoning, of a call. It has no items, output indexes or ids of ours:
`penstock.transcript.reducer` turns deltas into events.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from penstock.returned import Fields
from penstock.wire import Annotation, ContentPart, Event, IncompleteReason, Logprob, OutputItem, ResponseError, Usage


class TextDelta(msgspec.Struct):
    """A piece of the answer's text."""

    text: str
    logprobs: list[Logprob] = []


class TextRun(msgspec.Struct):
    """Consecutive pieces of the answer's text. None is empty, and none has logprobs."""

    texts: list[str]


class AnnotationDelta(msgspec.Struct):
    """An annotation of the text so far."""

    annotation: Annotation


class RefusalDelta(msgspec.Struct):
    """A piece of a refusal."""

    text: str


class ReasoningDelta(msgspec.Struct):
    """A piece of reasoning."""

    text: str


class ReasoningRun(msgspec.Struct):
    """Consecutive pieces of reasoning. None is empty."""

    texts: list[str]


class ToolCallDelta(msgspec.Struct, kw_only=True):
    """A piece of a tool call. `index` identifies the call in its turn. Id and name come once, not always first."""

    index: int
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""


class Extras(msgspec.Struct, kw_only=True):
    """The fields that the upstream needs back in later turns: with the turn's message, its calls, or items."""

    origin: str
    """The hash of the upstream."""
    turn: Fields = {}
    calls: dict[int, Fields] = {}
    """The fields of each call, by its index."""
    items: dict[str, Fields] = {}
    """The fields of each item, by the upstream's id."""


class ImageDelta(msgspec.Struct):
    """A complete image, in base64. `output_format` is such as `png`, where the upstream states it."""

    result: str
    output_format: str | None = None


class AudioDelta(msgspec.Struct):
    """A piece of audio, in base64."""

    data: str


class Compacted(msgspec.Struct):
    """The context was compacted. Only the engine can read the content."""

    encrypted_content: str


class ItemOpened(msgspec.Struct):
    """The item of a hosted tool begins, as it is at its beginning. Its id is new."""

    item: OutputItem
    call: int | None = None
    """The index of the call in the turn, where the item is a call of the model. A tool leaves it out."""


class ItemStatusDelta(msgspec.Struct):
    """The item of a hosted tool has reached a step, such as `in_progress` or `searching`. Its last step is no delta."""

    item_id: str
    status: str


class ItemTextDelta(msgspec.Struct):
    """A piece of the text that grows in the item of a hosted tool, such as its arguments. `is_last` ends the text."""

    item_id: str
    text: str
    is_last: bool = False


class ItemClosed(msgspec.Struct):
    """The item of a hosted tool has ended. `reply` is what the model reads, which is stored with the item."""

    item: OutputItem
    reply: str | list[ContentPart] = ""
    last_source: int = 0
    """The number of the last source that the model may cite by now."""


class TurnEnded(msgspec.Struct):
    """One of several turns of the response is over, with the calls of hosted tools in it. Its items end."""


class UsageDelta(msgspec.Struct):
    """The usage of the turn. The last one counts."""

    usage: Usage


class Finish(msgspec.Struct):
    """The model has ended its turn. `incomplete` is the reason where the answer is not complete."""

    incomplete: IncompleteReason | None = None


class UpstreamFailed(msgspec.Struct):
    """The upstream has ended the response with an error, given as the `error` of a Response."""

    error: ResponseError


class Relayed(msgspec.Struct):
    """An event of an upstream with the Responses API. It is passed on with a new number."""

    event: Event


class RelayedRun(msgspec.Struct):
    """Consecutive pieces of one text of such an upstream."""

    event: Event
    """One of their events, which differ only in their number and their delta.

    It is the same object for all runs of one text.
    """
    texts: list[str]


class RelayedItem(msgspec.Struct):
    """A complete item of such an upstream, from a Response that came whole."""

    item: OutputItem


class ResponseFields(msgspec.Struct):
    """Values of fields of the Response, from such an upstream."""

    fields: dict[str, Any]


Delta: TypeAlias = (
    TextDelta
    | TextRun
    | AnnotationDelta
    | RefusalDelta
    | ReasoningDelta
    | ReasoningRun
    | ToolCallDelta
    | Extras
    | ImageDelta
    | AudioDelta
    | Compacted
    | ItemOpened
    | ItemStatusDelta
    | ItemTextDelta
    | ItemClosed
    | TurnEnded
    | UsageDelta
    | Finish
    | UpstreamFailed
    | Relayed
    | RelayedRun
    | RelayedItem
    | ResponseFields
)


def size_of(logprobs: list[Logprob]) -> int:
    """The approximate number of characters in logprobs."""
    tokens = [token for logprob in logprobs for token in (logprob, *(logprob.top_logprobs or ()))]
    return sum(len(token.token) + len(token.bytes or ()) for token in tokens)
