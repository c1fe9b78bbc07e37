"""The requests of chat clients: the bodies of the routes that a server of Chat Completions has.

It knows the parameters of OpenAI's API and the ones that vLLM adds, with their ranges. None means that the client did
not send the parameter.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from penstock.dialects.chat_completions.wire import FunctionChoice, MessagePart, ToolCall
from penstock.wire import NULL, Effort

SEED_MAX = 2**63 - 1
"""The largest seed. The number is OpenAI's."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
TokenId: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Penalty: TypeAlias = Annotated[float, msgspec.Meta(ge=-2, le=2)]


_WITHOUT_EFFECT = frozenset({"user", "repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias"})


class _Read(msgspec.Struct, kw_only=True):
    """A JSON object of a client. Unknown keys within it are skipped."""


class Body(_Read, kw_only=True):
    """The body of a request."""

    without_effect: ClassVar[frozenset[str]] = frozenset()
    """The parameters that are checked and change nothing. The reply names those that the client sent."""


class RefusalPart(_Read, kw_only=True, tag_field="type", tag="refusal"):
    """A refusal within a message of the assistant."""

    refusal: str


class Media(_Read, kw_only=True):
    """A video or a sound by URL, mostly a `data:` URL."""

    url: str


class VideoPart(_Read, kw_only=True, tag_field="type", tag="video_url"):
    """A video within a message, as vLLM has it."""

    video_url: Media


class SoundPart(_Read, kw_only=True, tag_field="type", tag="audio_url"):
    """A sound within a message, as vLLM has it beside `input_audio`."""

    audio_url: Media


ReadPart: TypeAlias = MessagePart | RefusalPart | VideoPart | SoundPart


class ReadMessage(_Read, kw_only=True):
    """A message of a client."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ReadPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class ReadFunction(_Read, kw_only=True):
    """A function that the model may call."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None


class ReadTool(_Read, kw_only=True, tag_field="type", tag="function"):
    """A tool that the model may call."""

    function: ReadFunction


class TextFormat(_Read, kw_only=True, tag_field="type", tag="text"):
    """Plain text."""


class JsonObjectFormat(_Read, kw_only=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class ReadSchema(_Read, kw_only=True):
    """A JSON schema and its name."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    schema: msgspec.Raw
    strict: bool | None = None


class JsonSchemaFormat(_Read, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON that satisfies a schema."""

    json_schema: ReadSchema


class StreamOptions(_Read, kw_only=True):
    """Options of a stream. `continuous_usage_stats` is vLLM's: every chunk then has the usage so far."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class GenerationRequest(Body, kw_only=True):
    """The parameters that chat completions and completions have in common."""

    without_effect = _WITHOUT_EFFECT

    model: str | None = None
    n: Count | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    min_tokens: TokenId | None = None
    ignore_eos: bool | None = None
    stop: str | Annotated[list[str], msgspec.Meta(max_length=16)] | None = None
    response_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-SEED_MAX - 1, le=SEED_MAX)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, msgspec.Meta(ge=-100, le=100)]] | None = None
    user: str | None = None


class ChatRequest(GenerationRequest, kw_only=True):
    """The body of `POST /chat/completions`."""

    without_effect = _WITHOUT_EFFECT | {"metadata", "service_tier", "safety_identifier", "prompt_cache_key"}

    messages: Annotated[list[ReadMessage], msgspec.Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    tools: list[ReadTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Effort | None = None
    include_reasoning: bool | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    metadata: msgspec.Raw = NULL
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class CompletionRequest(GenerationRequest, kw_only=True):
    """The body of `POST /completions`. `inputs` reads the prompt."""

    prompt: msgspec.Raw
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None


class EmbeddingsRequest(Body, kw_only=True):
    """The body of `POST /embeddings`. `inputs` reads the input."""

    without_effect = frozenset({"user"})

    input: msgspec.Raw
    model: str | None = None
    dimensions: Count | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


class TokenizeRequest(Body, kw_only=True):
    """The body of vLLM's `POST /tokenize`: a text, or the messages of a chat.

    The tokenizer has no special tokens, and no prompt for a generation, which these parameters could add.
    """

    without_effect = frozenset({"add_special_tokens", "add_generation_prompt"})

    model: str | None = None
    prompt: str | None = None
    messages: list[ReadMessage] | None = None
    tools: list[ReadTool] | None = None
    return_token_strs: bool | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None


class DetokenizeRequest(Body, kw_only=True):
    """The body of vLLM's `POST /detokenize`."""

    tokens: list[TokenId]
    model: str | None = None
