"""The request: the body of `POST /responses`, its settings and their ranges.

It knows every parameter of OpenAI's `ResponseCreateParams` and the sampling extensions of local backends. None means
that the client did not send the parameter. `penstock.engine.planning.plan` then sets the default.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from penstock import wire

from ._base import UNSET, UnsetType, Wire, null
from .conversation import ConversationReference, Metadata
from .reasoning import Reasoning
from .tool_choice import ToolChoice

Include: TypeAlias = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
ServiceTier: TypeAlias = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]
Penalty: TypeAlias = Annotated[float, msgspec.Meta(ge=-2, le=2)]


class TextFormat(Wire, kw_only=True, tag_field="type", tag="text"):
    """Plain text."""


class JsonObjectFormat(Wire, kw_only=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchemaFormat(Wire, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON that satisfies `schema`."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    schema: msgspec.Raw
    description: str | None | UnsetType = UNSET
    strict: bool | None = None


class TextConfig(Wire, kw_only=True):
    """The format and verbosity of the model's text."""

    format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class StreamOptions(Wire, kw_only=True):
    """Options of the stream."""

    include_obfuscation: bool | None | UnsetType = UNSET
    include_usage: bool | None | UnsetType = UNSET


class Prompt(Wire, kw_only=True):
    """A prompt template, by id, with the values of its variables."""

    id: str
    version: str | None = None
    variables: dict[str, msgspec.Raw] | None = None


class ContextManagement(Wire, kw_only=True):
    """When the context is compacted: before a turn whose context has more tokens than `compact_threshold`."""

    type: str
    compact_threshold: Annotated[int, msgspec.Meta(ge=1)] | None = None


class BackgroundOptions(Wire, kw_only=True):
    """The urgency of a background response. `continuation_id` connects several of them."""

    completion_window: Literal["soonest", "2h", "8h"] | UnsetType = UNSET
    continuation_id: str | UnsetType = UNSET


class PromptCacheOptions(Wire, kw_only=True):
    """How the upstream may cache the prompt."""

    mode: Literal["implicit", "explicit"] | UnsetType = UNSET
    ttl: Literal["30m", "12h"] | UnsetType = UNSET
    comparison_response_id: str | None | UnsetType = UNSET
    prewarm: bool | UnsetType = UNSET


class CreateResponse(Wire, kw_only=True, forbid_unknown_fields=False):
    """The parameters of a response. Token counts are in tokens; penalties are between -2 and 2."""

    model: str | None = None
    input: "str | list[wire.InputItem] | None" = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationReference | None = None
    prompt: Prompt | None = None

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    background: bool | None = None
    background_options: BackgroundOptions | None = None
    include: list[Include] | None = None
    metadata: Metadata | None = None

    tools: "list[wire.Tool] | None" = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, msgspec.Meta(ge=1)] | None = None

    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    context_management: list[ContextManagement] | None = None

    service_tier: ServiceTier | None = None
    safety_identifier: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    user: str | None = None

    access_programs: msgspec.Raw = msgspec.field(default_factory=null)
    image: msgspec.Raw = msgspec.field(default_factory=null)
    moderation: msgspec.Raw = msgspec.field(default_factory=null)

    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | Annotated[list[str], msgspec.Meta(max_length=4)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, msgspec.Meta(ge=-100, le=100)]] | None = None
