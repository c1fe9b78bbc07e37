"""The reasoning family: the setting, the item, its texts and summaries, and their events.

It knows the JSON of OpenAI's `Reasoning` and `ResponseReasoningItem`; it never opens `encrypted_content`.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from ._base import UNSET, Event, Fold, Item, ItemStatus, Part, UnsetType, Wire, append, close, open_, settle
from .unknown import UnknownPart

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
SummaryStyle: TypeAlias = Literal["auto", "concise", "detailed"]


class Reasoning(Wire, kw_only=True):
    """How much the model should think, and whether it should tell. `generate_summary` is the old name of `summary`."""

    effort: Effort | None = None
    summary: SummaryStyle | None = None
    generate_summary: SummaryStyle | None | UnsetType = UNSET
    context: Literal["auto", "current_turn", "all_turns"] | None | UnsetType = UNSET
    mode: str | None | UnsetType = UNSET


class ReasoningText(Part, kw_only=True, tag="reasoning_text"):
    """The model's thoughts as it wrote them."""

    text: str


class SummaryText(Part, kw_only=True, tag="summary_text"):
    """A summary of the model's thoughts."""

    text: str


class ReasoningItem(Item, kw_only=True, tag="reasoning"):
    """What the model thought before it answered or called."""

    id_prefix: ClassVar[str] = "rs_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    summary: list[SummaryText | UnknownPart] = []
    content: list[ReasoningText | UnknownPart] | None | UnsetType = UNSET
    encrypted_content: str | None | UnsetType = UNSET


class _TextEvent(Event, kw_only=True, tag=""):
    """An event about one text of a reasoning item."""

    item_id: str
    output_index: int
    content_index: int


class ReasoningTextDelta(_TextEvent, kw_only=True, tag="response.reasoning_text.delta"):
    """A piece of a thought."""

    fold: ClassVar[Fold] = append("text")

    delta: str
    obfuscation: str | UnsetType = UNSET


class ReasoningTextDone(_TextEvent, kw_only=True, tag="response.reasoning_text.done"):
    """The thought is whole."""

    fold: ClassVar[Fold] = settle("text")

    text: str


class _SummaryEvent(Event, kw_only=True, tag=""):
    """An event about one summary of a reasoning item."""

    item_id: str
    output_index: int
    summary_index: int


class ReasoningSummaryPartAdded(_SummaryEvent, kw_only=True, tag="response.reasoning_summary_part.added"):
    """A summary begins."""

    fold: ClassVar[Fold] = open_("part")

    part: SummaryText | UnknownPart


class ReasoningSummaryTextDelta(_SummaryEvent, kw_only=True, tag="response.reasoning_summary_text.delta"):
    """A piece of a summary."""

    fold: ClassVar[Fold] = append("text")

    delta: str
    obfuscation: str | UnsetType = UNSET


class ReasoningSummaryTextDone(_SummaryEvent, kw_only=True, tag="response.reasoning_summary_text.done"):
    """The summary's text is whole."""

    fold: ClassVar[Fold] = settle("text")

    text: str


class ReasoningSummaryPartDone(_SummaryEvent, kw_only=True, tag="response.reasoning_summary_part.done"):
    """A summary ends; `status` is there only where it was cut short."""

    fold: ClassVar[Fold] = close("part")

    part: SummaryText | UnknownPart
    status: Literal["incomplete"] | None | UnsetType = UNSET
