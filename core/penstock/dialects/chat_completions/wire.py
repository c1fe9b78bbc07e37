"""The types of Chat Completions, as far as they are used here.

What is sent is exact: an absent field is not sent. What is read is tolerant: backends leave out, rename and repeat.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from penstock.wire import UNKNOWN, UNSET, Unknown, UnsetType

from .finish import FinishMeaning
from .think import InlineThink
from .usage import ReadTimings, ReadUsage


class _Sent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A JSON object that we send, with `unknown` keys of the upstream's own, which `penstock.json_codec` writes."""

    unknown: Unknown | UnsetType = msgspec.field(default=UNSET, name=UNKNOWN)


class _Read(msgspec.Struct, kw_only=True):
    """A JSON object that we read; unknown keys are skipped."""


EXTRAS = "$extras"
"""The key under which the unknown keys of an object are packed (`pack_extras`)."""


class _ReadWhole(_Read, kw_only=True, forbid_unknown_fields=True):
    """A JSON object of which unknown keys are returned to the upstream in later turns."""

    extras: msgspec.Raw | UnsetType = msgspec.field(default=UNSET, name=EXTRAS)


class Options(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How one upstream's Chat Completions differ from another's."""

    system_role: Literal["system", "developer"] = "system"
    """The role of instructions, and of system and developer messages."""
    system_messages: Literal["leading", "all", "keep"] = "leading"
    """Which of them become one message: those at the start, all of them (moved to the start), or none."""
    reasoning_field: Literal["reasoning_content", "reasoning", "none"] = "reasoning_content"
    """Where an assistant message of the history carries its thoughts; `none` leaves them out."""
    reasoning_required: bool = False
    """Whether every assistant message has that field, with an empty text where there are no thoughts."""
    returns_fields: bool = True
    """Whether unknown keys of its calls and messages, and signed thoughts, go back to it in later turns."""
    short_call_ids: bool = False
    """Whether the id of a call must be nine letters or digits, as Mistral's must; any other is sent as such a one."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the upstream calls the limit of output tokens."""
    inline_think: InlineThink = False
    """Whether thoughts stand within the text, between `<think>` and `</think>`; `opened`: `<think>` is missing."""
    finish_reasons: dict[str, FinishMeaning] = {}
    """What finish reasons mean that this upstream alone has, or means in its own way."""
    explains_500: bool = False
    """Whether a 500 may be the request's doing, so that the client gets the server's words."""
    tokenizer: Literal["none", "vllm", "llama.cpp"] = "none"
    """Whose routes count the tokens of an input; with none, they are estimated."""


class TextPart(_Sent, tag_field="type", tag="text"):
    """Text within a message."""

    text: str


class ImageUrl(_Sent):
    """An image by URL."""

    url: str
    detail: str | None = None


class ImagePart(_Sent, tag_field="type", tag="image_url"):
    """An image within a message."""

    image_url: ImageUrl


class Audio(_Sent):
    """Base64 audio."""

    data: str
    format: str


class AudioPart(_Sent, tag_field="type", tag="input_audio"):
    """Audio within a message."""

    input_audio: Audio


class File(_Sent):
    """A file by its data or its id."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(_Sent, tag_field="type", tag="file"):
    """A file within a message."""

    file: File


MessagePart = TextPart | ImagePart | AudioPart | FilePart


class CalledFunction(_Sent):
    """A function and its arguments as JSON."""

    name: str
    arguments: str


class ToolCall(_Sent, tag_field="type", tag="function"):
    """A call within an assistant message."""

    id: str
    function: CalledFunction


class ChatMessage(_Sent):
    """A message. `content` is absent where an assistant only calls: some backends refuse null."""

    role: str
    content: str | list[MessagePart] | msgspec.Raw | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class Function(_Sent):
    """A function that is offered."""

    name: str
    parameters: msgspec.Raw
    description: str | None = None
    strict: bool | None = None


class FunctionTool(_Sent, tag_field="type", tag="function"):
    """A tool that is offered."""

    function: Function


class NamedFunction(_Sent):
    """A function by its name."""

    name: str


class FunctionChoice(_Sent, tag_field="type", tag="function"):
    """The model must call this function."""

    function: NamedFunction


class JsonSchema(_Sent):
    """The schema of a structured output."""

    name: str
    schema: msgspec.Raw
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(_Sent, tag_field="type", tag="json_schema"):
    """The output satisfies a schema."""

    json_schema: JsonSchema


class JsonObjectFormat(_Sent, tag_field="type", tag="json_object"):
    """The output is a JSON object."""


class StreamOptions(_Sent):
    """How the stream is written."""

    include_usage: Literal[True]


class ChatRequest(_Sent):
    """The body of `POST /chat/completions`."""

    model: str
    messages: list[ChatMessage]
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: list[FunctionTool] | msgspec.Raw | None = None
    tool_choice: str | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonSchemaFormat | JsonObjectFormat | None = None
    verbosity: str | None = None
    reasoning_effort: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    user: str | None = None


class ReadFunction(_ReadWhole):
    """A function's name and arguments, or pieces of them. Some backends send an object, or use another name for it."""

    name: str | None = None
    arguments: Any = None
    parameters: Any = None
    input: Any = None
    args: Any = None


class ReadToolCall(ReadFunction):
    """A call, or a piece of one; some backends have name and arguments flat in it."""

    index: int | None = None
    id: str | None = None
    type: msgspec.Raw | UnsetType = UNSET
    function: ReadFunction | None = None


class ReadMedia(_Read):
    """An image or a sound, by URL or by its data, under any of the names that backends have for these."""

    url: str | None = None
    data: str | None = None
    b64_json: str | None = None
    mime_type: str | None = None
    mime: str | None = msgspec.field(default=None, name="mimeType")
    media_type: str | None = None
    format: str | None = None
    transcript: str | None = None


class ReadText(_Read):
    """A text with something beside it."""

    value: str | None = None


Words: TypeAlias = "str | list[str | ReadPart] | ReadPart | None"
"""A text, or pieces that hold it."""


class ReadPart(_Read):
    """A piece of content where the content is a list, or of a thought where that has pieces."""

    type: str | None = None
    text: str | ReadText | None = None
    refusal: str | None = None
    thought: "bool | str | list[str | ReadPart] | ReadPart | None" = None
    thinking: Words = None
    reasoning: Words = None
    reasoning_content: Words = None
    reasoning_text: Words = None
    bedrock_reasoning: Words = msgspec.field(default=None, name="reasoningContent")
    bedrock_reasoning_text: Words = msgspec.field(default=None, name="reasoningText")
    summary: Words = None
    content: Words = None
    image_url: str | ReadMedia | None = None
    image: str | ReadMedia | None = None
    inline_data: ReadMedia | None = None
    inline: ReadMedia | None = msgspec.field(default=None, name="inlineData")
    source: ReadMedia | None = None
    audio: ReadMedia | None = None
    input_audio: ReadMedia | None = None
    url: str | None = None
    data: str | None = None
    b64_json: str | None = None


class ReadCitation(_Read):
    """The fields of a `url_citation`, within the annotation or flat in it, or of a page that was found."""

    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class ReadAnnotation(ReadCitation):
    """An annotation of a message."""

    type: str | None = None
    url_citation: ReadCitation | None = None


class ReadMessage(_ReadWhole):
    """A whole message, or a piece of one: the fields are the same."""

    content: Words = None
    refusal: str | None = None
    reasoning_content: Words = None
    reasoning: Words = None
    reasoning_details: msgspec.Raw | UnsetType = UNSET
    role: msgspec.Raw | UnsetType = UNSET
    channel: msgspec.Raw | UnsetType = UNSET
    tool_calls: list[ReadToolCall] | None = None
    function_call: ReadFunction | None = None
    annotations: list[str | ReadAnnotation] | None = None
    citations: list[str | ReadCitation] | None = None
    images: list[str | ReadPart] | None = None
    audio: ReadMedia | None = None


class ReadTopLogprob(_Read):
    """A likely token."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class ReadLogprob(ReadTopLogprob):
    """A chosen token."""

    top_logprobs: list[ReadTopLogprob] | None = None


class ReadLogprobs(_Read):
    """The logprobs of a piece of content: a list of tokens, or the lists of the older completions."""

    content: list[ReadLogprob] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class ReadChoice(_Read):
    """One choice: `delta` in a stream, `message` in a whole reply, and `text` where a server knows no messages."""

    index: int | None = None
    delta: ReadMessage | None = None
    message: ReadMessage | None = None
    text: str | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    error: Any = None
    usage: ReadUsage | None = None
    logprobs: ReadLogprobs | list[ReadLogprob] | None = None


class ReadGroq(_Read):
    """What Groq reports beside the choices."""

    usage: ReadUsage | None = None


class ReadReply(_Read):
    """A chunk of a stream, or a whole completion. What has no choices may be an error."""

    choices: list[ReadChoice] | None = None
    usage: ReadUsage | None = None
    error: Any = None
    citations: list[str | ReadCitation] | None = None
    search_results: list[ReadCitation] | None = None
    x_groq: ReadGroq | None = None
    timings: ReadTimings | None = None
    gemini_usage: ReadUsage | None = msgspec.field(default=None, name="usageMetadata")
    usage_metadata: ReadUsage | None = None
    service_tier: str | None = None

    @property
    def other_usage(self) -> ReadUsage | None:
        """What the reply cost, where that is reported elsewhere."""
        aside = self.x_groq or self.timings
        return self.gemini_usage or self.usage_metadata or (aside.usage if aside else None)
