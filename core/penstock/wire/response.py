"""The Response, its usage, and its lifecycle events.

It knows OpenAI's `Response`. Every key is always present, with null or the default where the request has no value.
`penstock.engine.planning.plan` makes the first form of a Response, and `penstock.transcript` folds its events.
"""

from typing import ClassVar, Literal, TypeAlias

import msgspec

from penstock import wire

from ._base import UNSET, Event, Fold, UnsetType, Wire, adopt, settle
from .conversation import ConversationReference
from .error import ResponseError
from .reasoning import Reasoning
from .request import BackgroundOptions, Prompt, PromptCacheOptions, ServiceTier, TextConfig
from .tool_choice import ToolChoice

ResponseStatus: TypeAlias = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
IncompleteReason: TypeAlias = Literal["max_output_tokens", "content_filter", "max_messages", "steered"]


class InputTokensDetails(Wire, kw_only=True):
    """Input tokens that came from, or went to, the prompt cache."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_tokens_details: msgspec.Raw | UnsetType = UNSET


class OutputTokensDetails(Wire, kw_only=True):
    """Output tokens of the reasoning."""

    reasoning_tokens: int = 0


class Usage(Wire, kw_only=True):
    """What a response cost, in tokens. `estimated` is present, and true, where the upstream reports no usage."""

    input_tokens: int
    input_tokens_details: InputTokensDetails = msgspec.field(default_factory=InputTokensDetails)
    output_tokens: int
    output_tokens_details: OutputTokensDetails = msgspec.field(default_factory=OutputTokensDetails)
    total_tokens: int
    estimated: Literal[True] | UnsetType = UNSET


class InputTokens(Wire, kw_only=True):
    """The tokens of a request's input. `estimated` is present, and true, where the upstream does not count them."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int
    estimated: Literal[True] | UnsetType = UNSET


class IncompleteDetails(Wire, kw_only=True):
    """Why a response is incomplete. It is null where OpenAI has no value for it, such as when the server stops."""

    reason: IncompleteReason | None


# spec: every-key
class Response(Wire, kw_only=True):
    """A response. Times are Unix seconds. The fields after `metadata` are present only in relayed responses."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: ResponseStatus
    background: bool = False
    background_options: BackgroundOptions | UnsetType = UNSET
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: "str | list[wire.InputItem] | None" = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: "list[wire.OutputItem]" = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    conversation: ConversationReference | None = None
    prompt: Prompt | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: PromptCacheOptions | UnsetType = UNSET
    reasoning: Reasoning = msgspec.field(default_factory=Reasoning)
    safety_identifier: str | None = None
    service_tier: ServiceTier = "default"
    store: bool = True
    temperature: float = 1.0
    text: TextConfig
    tool_choice: ToolChoice = "auto"
    tools: "list[wire.Tool]" = []
    top_logprobs: int = 0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: Literal["auto", "disabled"] = "disabled"
    usage: Usage | None = None
    user: str | None = None
    metadata: dict[str, str] = {}

    image: msgspec.Raw | UnsetType = UNSET
    access_programs: msgspec.Raw | UnsetType = UNSET
    input_transformations: msgspec.Raw | UnsetType = UNSET
    moderation: msgspec.Raw | UnsetType = UNSET
    prompt_cache_diagnostics: msgspec.Raw | UnsetType = UNSET
    tool_usage: msgspec.Raw | UnsetType = UNSET


class LifecycleEvent(Event, kw_only=True, tag=""):
    """An event with the Response at that time."""

    fold: ClassVar[Fold] = adopt()

    response: Response


class Created(LifecycleEvent, kw_only=True, tag="response.created"):
    """The response exists."""


class Queued(LifecycleEvent, kw_only=True, tag="response.queued"):
    """The response waits until it can run."""


class InProgress(LifecycleEvent, kw_only=True, tag="response.in_progress"):
    """The response runs."""


class Completed(LifecycleEvent, kw_only=True, tag="response.completed"):
    """The response is complete. Terminal."""


class Incomplete(LifecycleEvent, kw_only=True, tag="response.incomplete"):
    """The response was cut short. `incomplete_details` has the reason. Terminal."""


class Failed(LifecycleEvent, kw_only=True, tag="response.failed"):
    """The response failed. `error` has the reason. Terminal."""


class UsageReported(Event, kw_only=True, tag="response.usage"):
    """The usage, before the terminal event, for requests with `stream_options.include_usage`."""

    fold: ClassVar[Fold] = settle("usage")

    usage: Usage
