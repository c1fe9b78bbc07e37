"""The deltas: what any upstream can send, in one form for every dialect.

A delta is one small piece of output: of text, of a thought, of a call. It knows nothing of items, indexes
or ids of ours: `penstock.transcript.reducer` makes events of it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from penstock.returned import Fields
from penstock.wire import Annotation, Event, IncompleteReason, Logprob, ResponseError, Usage


class TextDelta(msgspec.Struct):
    """A piece of the answer's text."""

    text: str
    logprobs: list[Logprob] = []


class TextRun(msgspec.Struct):
    """Pieces of the answer's text that came in a row: none is empty, and none has logprobs."""

    texts: list[str]


class AnnotationDelta(msgspec.Struct):
    """An annotation of the text so far."""

    annotation: Annotation


class RefusalDelta(msgspec.Struct):
    """A piece of a refusal."""

    text: str


class ReasoningDelta(msgspec.Struct):
    """A piece of a thought."""

    text: str


class ReasoningRun(msgspec.Struct):
    """Pieces of a thought that came in a row: none is empty."""

    texts: list[str]


class ToolCallDelta(msgspec.Struct, kw_only=True):
    """A piece of a tool call. `index` identifies the call within its turn; id and name come once, not always first."""

    index: int
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""


class Extras(msgspec.Struct, kw_only=True):
    """What the upstream wants back in later turns: with the message of the turn, with its calls, with items."""

    origin: str
    """Which upstream that is."""
    turn: Fields = {}
    calls: dict[int, Fields] = {}
    """By the index of each call."""
    items: dict[str, Fields] = {}
    """By the id of each item, as the upstream gave it."""


class ImageDelta(msgspec.Struct):
    """A whole image, as base64; `output_format` such as `png`, where the upstream states it."""

    result: str
    output_format: str | None = None


class AudioDelta(msgspec.Struct):
    """A piece of speech, as base64."""

    data: str


class Compacted(msgspec.Struct):
    """The context was compacted. Only the engine can read the content."""

    encrypted_content: str


class UsageDelta(msgspec.Struct):
    """What the turn cost; the last one counts."""

    usage: Usage


class Finish(msgspec.Struct):
    """The model has ended its turn: because it was done, or for the reason given."""

    incomplete: IncompleteReason | None = None


class UpstreamFailed(msgspec.Struct):
    """The upstream has ended the response with an error, given as the `error` of a Response."""

    error: ResponseError


class Relayed(msgspec.Struct):
    """An event of an upstream that serves the Responses API: it is passed on as it came, with a new number."""

    event: Event


class RelayedRun(msgspec.Struct):
    """Pieces of one text that such an upstream sent in a row."""

    event: Event
    """The event that represents them: their events differ only in their number and their delta.

    It is the same object as long as the text is the same one.
    """
    texts: list[str]


class ResponseFields(msgspec.Struct):
    """What such an upstream states about the response as a whole: values of fields of the Response."""

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
    | UsageDelta
    | Finish
    | UpstreamFailed
    | Relayed
    | RelayedRun
    | ResponseFields
)
