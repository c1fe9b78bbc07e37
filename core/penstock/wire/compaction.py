"""The compaction family: the item that stands for a context, how one is asked for, and what comes back.

It knows the JSON of OpenAI's compaction; it never opens `encrypted_content` and summarises nothing.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from penstock import wire

from ._base import UNSET, Fold, Item, ItemEvent, UnsetType, Wire, nothing, null
from .reasoning import Reasoning
from .request import PromptCacheOptions, ServiceTier, TextConfig
from .response import Usage


class CompactionItem(Item, kw_only=True, tag="compaction"):
    """A context, summed up and sealed: it stands for what came before it."""

    id_prefix: ClassVar[str] = "cmp_"

    id: str | None | UnsetType = UNSET
    encrypted_content: str
    created_by: str | None | UnsetType = UNSET


class CompactionTrigger(Item, kw_only=True, tag="compaction_trigger"):
    """Asks, as the last item of an input, for a compaction of the context in place of an answer."""

    id: str | None | UnsetType = UNSET


class CompactionCompacting(ItemEvent, kw_only=True, tag="response.compaction.compacting"):
    """The summary of a compaction is being written. It tells nothing of it."""

    fold: ClassVar[Fold] = nothing()


class CompactResponse(Wire, kw_only=True):
    """The body of `POST /responses/compact`. What agents send of a turn's form has no meaning for a summary."""

    model: str | None = None
    input: str | list[wire.InputItem] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    reasoning: Reasoning | None = None
    service_tier: ServiceTier | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    tools: msgspec.Raw = msgspec.field(default_factory=null)
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None


class CompactedResponse(Wire, kw_only=True):
    """A compacted context: every user message, as it was, and one compaction item. Times are Unix seconds."""

    id: str
    object: Literal["response.compaction"] = "response.compaction"
    created_at: int
    output: list[msgspec.Raw]
    usage: Usage
