"""Presets: every server that has one, and what a request to it contains."""

import json
from typing import Any, get_args

import pytest

from core.kit import LIMITS, plan
from penstock.dialects.chat_completions import PRESETS, ChatCompletions, Preset
from requirements import shows

CONVERSATION: list[dict[str, Any]] = [
    {"role": "developer", "content": "A"},
    {"role": "user", "content": "Hello"},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
    {"role": "assistant", "content": "Hi"},
    {"role": "system", "content": "B"},
]

# the roles, the field of the thoughts and the field of the bound
EXPECTED: dict[str, tuple[list[str], str | None, str]] = {
    "vllm": (["system", "user", "assistant"], "reasoning", "max_tokens"),
    "llama.cpp": (["system", "user", "assistant"], "reasoning_content", "max_tokens"),
    "ollama": (["system", "user", "assistant", "system"], "reasoning", "max_tokens"),
    "openai": (["developer", "developer", "user", "assistant", "developer"], None, "max_completion_tokens"),
    "openrouter": (["system", "user", "assistant", "system"], "reasoning", "max_tokens"),
    "deepseek": (["system", "user", "assistant", "system"], "reasoning_content", "max_tokens"),
}


def test_every_name_has_one() -> None:
    assert list(PRESETS) == list(get_args(Preset)) == list(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_request_contains(name: Preset) -> None:
    roles, thoughts, bound = EXPECTED[name]
    turn = plan(input=CONVERSATION, instructions="I", max_output_tokens=20).turn
    body = json.loads(ChatCompletions(PRESETS[name], LIMITS).encode(turn).body)
    assert [message["role"] for message in body["messages"]] == roles
    [assistant] = [message for message in body["messages"] if message["role"] == "assistant"]
    assert {key for key in assistant if key.startswith("reasoning")} == ({thoughts} if thoughts else set())
    assert {key: body[key] for key in body if key.startswith("max_")} == {bound: 20}


@shows("reasoning-required")
def test_deepseek_gets_the_field_of_thoughts_with_every_message_of_the_assistant() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    given = {"type": "function_call_output", "call_id": "c", "output": "done"}
    turn = plan(input=[call, given]).turn
    for name in EXPECTED:
        body = json.loads(ChatCompletions(PRESETS[name], LIMITS).encode(turn).body)
        assert body["messages"][0].get("reasoning_content") == ("" if name == "deepseek" else None)
