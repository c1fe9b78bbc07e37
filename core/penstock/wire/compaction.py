"""The compaction family: a context made short, the wish for it, and its event.

It knows the JSON of OpenAI's compaction items; it never opens `encrypted_content`.
"""

from __future__ import annotations

from typing import ClassVar

from ._base import UNSET, Fold, Item, ItemEvent, UnsetType, nothing


class CompactionItem(Item, kw_only=True, tag="compaction"):
    """What stood before it in the context, made short and sealed."""

    id: str | None | UnsetType = UNSET
    encrypted_content: str
    created_by: str | None | UnsetType = UNSET


class CompactionTrigger(Item, kw_only=True, tag="compaction_trigger"):
    """The client's wish that what stands before it be compacted now."""

    id: str | None | UnsetType = UNSET


class CompactionCompacting(ItemEvent, kw_only=True, tag="response.compaction.compacting"):
    """The context is being made short."""

    fold: ClassVar[Fold] = nothing()
