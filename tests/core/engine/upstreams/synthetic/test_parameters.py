"""The parameters of chat clients: each is read, or named in `x-penstock-ignored`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from core.kit import LIMITS, Json, ask, service
from penstock.dialects.chat_completions.serve import requests
from penstock.engine.upstreams.synthetic.upstream import SyntheticUpstream
from support.scripts import WEATHER

TOOL: Json = {"type": "function", "function": {**WEATHER, "strict": True}}
SCHEMA: Json = {"name": "any", "schema": {"type": "object"}, "strict": False}
CALL: Json = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
MEDIA: list[Json] = [
    {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA=="}},
    {"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,AA=="}},
]
MESSAGES: list[Json] = [
    {"role": "user", "content": "What is a penstock?"},
    {"role": "user", "content": MEDIA},
    {"role": "assistant", "reasoning_content": None, "reasoning": "Hm", "refusal": "No.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "21"},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
]
GENERATION: Json = {
    "model": "synthetic",
    "n": 1,
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    "max_tokens": 20,
    "min_tokens": 1,
    "ignore_eos": True,
    "stop": ["a"],
    "response_format": {"type": "json_schema", "json_schema": SCHEMA},
    "temperature": 1,
    "top_p": 1,
    "seed": 1,
    "top_k": 1,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "logit_bias": {"1": 1},
    "user": "u",
}
BODIES: dict[str, Json] = {
    "/chat/completions": GENERATION
    | {
        "messages": MESSAGES,
        "max_completion_tokens": None,
        "tools": [TOOL],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "include_reasoning": True,
        "verbosity": "low",
        "logprobs": True,
        "top_logprobs": 1,
        "metadata": {"a": "b"},
        "service_tier": "auto",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
    },
    "/completions": GENERATION | {"prompt": "Once", "logprobs": 1},
    "/embeddings": {
        "model": "synthetic",
        "input": "a",
        "dimensions": 3,
        "encoding_format": "base64",
        "user": "u",
    },
    "/tokenize": {
        "model": "synthetic",
        "prompt": None,
        "messages": MESSAGES,
        "tools": [TOOL],
        "return_token_strs": True,
        "add_special_tokens": False,
        "add_generation_prompt": False,
    },
    "/detokenize": {"model": "synthetic", "tokens": [1]},
}
NO_EFFECT = {"repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias", "user"}
IGNORED = {
    "/chat/completions": NO_EFFECT | {"metadata", "prompt_cache_key", "safety_identifier", "service_tier"},
    "/completions": NO_EFFECT,
    "/embeddings": {"user"},
    "/tokenize": {"add_special_tokens", "add_generation_prompt"},
    "/detokenize": set[str](),
}
READ_ELSEWHERE = {"model"}
"""The route of a request reads the name of its model before its body is a struct."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[type, str]]]:
    """The fields that are read of the requests of chat clients."""
    noted: set[tuple[type, str]] = set()

    def note(self: Any, name: str) -> Any:
        noted.add((type(self), name))
        return object.__getattribute__(self, name)

    monkeypatch.setattr(requests._Read, "__getattribute__", note)
    yield noted


def ignored(path: str, body: Json) -> set[str]:
    """The parameters of a request that its reply names."""
    answer = asyncio.run(ask(service(SyntheticUpstream(LIMITS)), body, path=path))
    assert answer.status == 200, answer
    return set(filter(None, answer.headers.get("x-penstock-ignored", "").split(", ")))


@pytest.mark.parametrize("path", BODIES)
def test_a_parameter_without_effect_is_named(path: str) -> None:
    assert ignored(path, BODIES[path]) == IGNORED[path]
    assert ignored(path, dict.fromkeys(IGNORED[path]) | BODIES[path] | dict.fromkeys(IGNORED[path])) == set()


def test_every_other_parameter_is_read(read: set[tuple[type, str]]) -> None:
    for path, body in BODIES.items():
        ignored(path, body)
    for _, kind in inspect.getmembers(requests, inspect.isclass):
        if not issubclass(kind, requests._Read):
            continue
        for field in msgspec.structs.fields(kind):
            has_effect = any(issubclass(reader, kind) and name == field.name for reader, name in read)
            is_named = field.name in getattr(kind, "without_effect", ())
            assert has_effect != is_named or field.name in READ_ELSEWHERE, f"{kind.__name__}.{field.name}"


def test_a_prompt_and_messages_are_not_tokenized_together() -> None:
    answer = asyncio.run(
        ask(service(SyntheticUpstream(LIMITS)), BODIES["/tokenize"] | {"prompt": "a"}, path="/tokenize")
    )
    assert (answer.status, answer.json()["error"]["param"]) == (400, "prompt")
