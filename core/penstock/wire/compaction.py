"""The compaction family: the item that replaces a context, the request for one, and its reply.

It knows the JSON of OpenAI's compaction. It never decrypts `encrypted_content` and summarises nothing.
"""

from typing import ClassVar, Literal

import msgspec

from penstock import wire

from ._base import UNSET, Fold, Item, ItemEvent, UnsetType, Wire, nothing, null
from .reasoning import Reasoning
from .request import PromptCacheOptions, ServiceTier, TextConfig
from .response import Usage


class CompactionItem(Item, kw_only=True, tag="compaction"):
    """A summary of the context before it, encrypted. It replaces that context."""

    id_prefix: ClassVar[str] = "cmp_"

    id: str | None | UnsetType = UNSET
    encrypted_content: str
    created_by: str | None | UnsetType = UNSET


class CompactionTrigger(Item, kw_only=True, tag="compaction_trigger"):
    """As the last item of an input, asks for a compaction of the context instead of an answer."""

    id: str | None | UnsetType = UNSET


class CompactionCompacting(ItemEvent, kw_only=True, tag="response.compaction.compacting"):
    """The summary of a compaction is being written. The event contains nothing of it."""

    fold: ClassVar[Fold] = nothing()


class CompactResponse(Wire, kw_only=True):
    """The body of `POST /responses/compact`. Agents also send parameters of a turn, which are ignored for a summary."""

    model: str | None = None
    input: "str | list[wire.InputItem] | None" = None
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
    """A compacted context: every user message, unchanged, and one compaction item. Times are Unix seconds."""

    id: str
    object: Literal["response.compaction"] = "response.compaction"
    created_at: int
    output: list[msgspec.Raw]
    usage: Usage
