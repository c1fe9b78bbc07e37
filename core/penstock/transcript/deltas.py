"""What any upstream can say, in the common tongue of every dialect.

A delta is one small thing that was said: a piece of text, of a thought, of a call. It knows nothing of items, indexes
or ids of ours: `penstock.transcript.reducer` makes events of it.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from penstock.wire import Annotation, IncompleteReason, Logprob, Usage


class TextDelta(msgspec.Struct):
    """A piece of the answer's text."""

    text: str
    logprobs: list[Logprob] = []


class AnnotationDelta(msgspec.Struct):
    """An annotation of the text so far."""

    annotation: Annotation


class RefusalDelta(msgspec.Struct):
    """A piece of a refusal."""

    text: str


class ReasoningDelta(msgspec.Struct):
    """A piece of a thought."""

    text: str


class ToolCallDelta(msgspec.Struct, kw_only=True):
    """A piece of a tool call. `lane` tells the calls of one turn apart; id and name come once, not always first."""

    lane: int
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""


class Compacted(msgspec.Struct):
    """The context was summed up; what of, nobody above the engine can read."""

    encrypted_content: str


class UsageDelta(msgspec.Struct):
    """What the turn cost; the last one counts."""

    usage: Usage


class Finish(msgspec.Struct):
    """The model has ended its turn: because it was done, or for the reason given."""

    incomplete: IncompleteReason | None = None


Delta: TypeAlias = (
    TextDelta | AnnotationDelta | RefusalDelta | ReasoningDelta | ToolCallDelta | Compacted | UsageDelta | Finish
)
