"""Presets: how the Chat Completions of well-known servers differ, as options.

It knows the state of their documents and sources in November 2026; each value has its reason beside it. It never knows
how a server was started, such as with a reasoning parser: `inline_think` is for servers without one.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from .wire import Options

Preset: TypeAlias = Literal["vllm", "llama.cpp", "ollama", "openai", "openrouter", "deepseek"]
"""The names that a configuration may give as `preset`."""

PRESETS: dict[Preset, Options] = {
    "vllm": Options(
        system_role="system",  # the templates of open models know no developer
        system_messages="all",  # many of these templates refuse a system message that is not the first
        reasoning_field="reasoning",  # the new name; of the two it reads only this one in the history (issue 38488)
        max_tokens_field="max_tokens",  # every version takes it; the newer name came with 0.6
        tokenizer="vllm",  # its own route
        finish_reasons={"abort": "failed"},  # the request was aborted in the engine
    ),
    "llama.cpp": Options(
        system_role="system",  # as with vLLM: the model's template decides
        system_messages="all",  # as with vLLM
        reasoning_field="reasoning_content",  # "similar to DeepSeek", going back too where the template has a place
        max_tokens_field="max_tokens",  # an older name of its own n_predict; every version takes it
        explains_500=True,  # llama_cpp.server answers so to a schema or a file that it cannot use
        tokenizer="llama.cpp",  # its own routes
    ),
    "ollama": Options(
        system_role="system",  # roles reach the model's template as they are, and few know developer
        system_messages="leading",  # its templates differ too much for more
        reasoning_field="reasoning",  # a message's thoughts have this name, both ways
        max_tokens_field="max_tokens",  # it reads no other, and skips what it does not know
        finish_reasons={"load": "completed", "unload": "completed"},  # an empty prompt does no more than that
    ),
    "openai": Options(
        system_role="developer",  # reasoning models want it; older ones take it for system
        system_messages="keep",  # it takes them anywhere, and their place has a meaning
        reasoning_field="none",  # its messages have no place for thoughts
        max_tokens_field="max_completion_tokens",  # reasoning models refuse max_tokens, which is deprecated
    ),
    "openrouter": Options(
        system_role="system",  # what every provider behind it is translated from
        system_messages="leading",  # providers differ in what they make of later ones
        reasoning_field="reasoning",  # its own name for thoughts, both ways
        max_tokens_field="max_tokens",  # the one that it documents, and translates for each provider
        finish_reasons={"error": "failed"},  # its own; a provider's own reason stands beside it, and is read too
    ),
    "deepseek": Options(
        system_role="system",  # the only such role that it documents
        system_messages="leading",  # its documents do not exclude later ones
        reasoning_field="reasoning_content",  # where the model called tools, they must come back with the call
        reasoning_required=True,  # in thinking mode it refuses a history in which a message lacks the field
        max_tokens_field="max_tokens",  # the only one that it documents
        finish_reasons={"insufficient_system_resource": "failed"},  # "the request is interrupted"
    ),
}
