"""The reasoning family: the setting, the item, its texts and summaries, and their events.

It knows the JSON of OpenAI's `Reasoning` and `ResponseReasoningItem`. It never decrypts `encrypted_content`.
"""

from typing import ClassVar, Literal, TypeAlias

from ._base import UNSET, Event, Fold, Item, ItemStatus, Part, UnsetType, Wire, append, close, open_, settle
from .unknown import UnknownPart

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
SummaryStyle: TypeAlias = Literal["auto", "concise", "detailed"]


class Reasoning(Wire, kw_only=True):
    """How much the model should reason, and whether it summarises that. `generate_summary` is `summary`'s old name."""

    effort: Effort | None = None
    summary: SummaryStyle | None = None
    generate_summary: SummaryStyle | None | UnsetType = UNSET
    context: Literal["auto", "current_turn", "all_turns"] | None | UnsetType = UNSET
    mode: str | None | UnsetType = UNSET


class ReasoningText(Part, kw_only=True, tag="reasoning_text"):
    """The model's reasoning, as it wrote it."""

    text: str


class SummaryText(Part, kw_only=True, tag="summary_text"):
    """A summary of the model's reasoning."""

    text: str


class ReasoningItem(Item, kw_only=True, tag="reasoning"):
    """The model's reasoning before an answer or a call."""

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
    """A piece of a reasoning text."""

    fold: ClassVar[Fold] = append("text")

    delta: str
    obfuscation: str | UnsetType = UNSET


class ReasoningTextDone(_TextEvent, kw_only=True, tag="response.reasoning_text.done"):
    """The reasoning text is complete."""

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
    """The summary's text is complete."""

    fold: ClassVar[Fold] = settle("text")

    text: str


class ReasoningSummaryPartDone(_SummaryEvent, kw_only=True, tag="response.reasoning_summary_part.done"):
    """A summary ends. `status` is present only where it was cut short."""

    fold: ClassVar[Fold] = close("part")

    part: SummaryText | UnknownPart
    status: Literal["incomplete"] | None | UnsetType = UNSET
