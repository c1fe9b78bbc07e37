"""Presets: every server that has one, and what a request to it says."""

import json
from typing import Any, get_args

import pytest

from core.kit import LIMITS, plan
from penstock.dialects.chat_completions import PRESETS, ChatCompletions, Preset

CONVERSATION: list[dict[str, Any]] = [
    {"role": "developer", "content": "A"},
    {"role": "user", "content": "Hello"},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
    {"role": "assistant", "content": "Hi"},
    {"role": "system", "content": "B"},
]

# the roles, the field of the thoughts and the field of the bound
SAID: dict[str, tuple[list[str], str | None, str]] = {
    "vllm": (["system", "user", "assistant"], "reasoning", "max_tokens"),
    "llama.cpp": (["system", "user", "assistant"], "reasoning_content", "max_tokens"),
    "ollama": (["system", "user", "assistant", "system"], "reasoning", "max_tokens"),
    "openai": (["developer", "developer", "user", "assistant", "developer"], None, "max_completion_tokens"),
    "openrouter": (["system", "user", "assistant", "system"], "reasoning", "max_tokens"),
    "deepseek": (["system", "user", "assistant", "system"], "reasoning_content", "max_tokens"),
}


def test_every_name_has_one() -> None:
    assert list(PRESETS) == list(get_args(Preset)) == list(SAID)


@pytest.mark.parametrize("name", SAID)
def test_what_a_request_says(name: Preset) -> None:
    roles, thoughts, bound = SAID[name]
    turn = plan(input=CONVERSATION, instructions="I", max_output_tokens=20).turn
    body = json.loads(ChatCompletions(PRESETS[name], LIMITS).encode(turn).body)
    assert [message["role"] for message in body["messages"]] == roles
    [assistant] = [message for message in body["messages"] if message["role"] == "assistant"]
    assert {key for key in assistant if key.startswith("reasoning")} == ({thoughts} if thoughts else set())
    assert {key: body[key] for key in body if key.startswith("max_")} == {bound: 20}
