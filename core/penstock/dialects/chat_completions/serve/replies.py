"""The replies to chat clients: whole completions and tokens, as OpenAI and vLLM send them.

It has structs only. `chunks` makes the chunks of streams, and `embeddings` the vectors.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from penstock.dialects.chat_completions.wire import CalledFunction
from penstock.wire import UNSET, Logprob, UnsetType

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


class PromptDetails(msgspec.Struct, kw_only=True):
    """How many tokens of a prompt were in the upstream's cache."""

    cached_tokens: int = 0


class CompletionDetails(msgspec.Struct, kw_only=True):
    """How many tokens of a completion are reasoning."""

    reasoning_tokens: int = 0


class ChatUsage(msgspec.Struct, kw_only=True):
    """What a request cost, in tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptDetails = msgspec.field(default_factory=PromptDetails)
    completion_tokens_details: CompletionDetails = msgspec.field(default_factory=CompletionDetails)


class SentCall(msgspec.Struct, kw_only=True):
    """A call of the model."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class SentMessage(msgspec.Struct, kw_only=True):
    """The message of a choice. The reasoning has both names that clients of vLLM read."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[SentCall] | UnsetType = UNSET


class ChatLogprobs(msgspec.Struct, kw_only=True):
    """The log probabilities of a choice."""

    content: list[Logprob]
    refusal: None = None


class ChatChoice(msgspec.Struct, kw_only=True):
    """One choice of a chat completion."""

    index: int
    message: SentMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class TextLogprobs(msgspec.Struct, kw_only=True):
    """The log probabilities of a choice, as lists with an entry for each token."""

    text_offset: list[int]
    token_logprobs: list[float]
    tokens: list[str]
    top_logprobs: list[dict[str, float]]


class TextChoice(msgspec.Struct, kw_only=True):
    """One choice of a completion."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: FinishReason


class Completion(msgspec.Struct, kw_only=True):
    """A whole completion or chat completion. `created` is in Unix seconds."""

    id: str
    object: Literal["chat.completion", "text_completion"]
    created: int
    model: str
    choices: list[ChatChoice] | list[TextChoice]
    usage: ChatUsage


class Tokens(msgspec.Struct, kw_only=True):
    """The tokens of a text. `max_model_len` is the size of the model's context in tokens."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class Detokenized(msgspec.Struct, kw_only=True):
    """The text of tokens."""

    prompt: str
