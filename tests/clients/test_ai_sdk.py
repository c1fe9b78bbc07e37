"""The AI SDK with its OpenAI provider: a text, and a tool that it runs itself."""

from __future__ import annotations

import pytest

from clients.conftest import RunScript, installed
from clients.test_openai_node import ANSWER, CALL
from requirements import shows
from support.upstream import ScriptedUpstream


@pytest.fixture(autouse=True)
def client(upstream: ScriptedUpstream) -> None:
    installed("ai")
    installed("@ai-sdk/openai")
    upstream.forget()
    upstream.add("sdk", ANSWER)
    upstream.add("weather", CALL)
    upstream.add_after(1, "weather", ANSWER)


def test_a_text(run_script: RunScript) -> None:
    output = run_script("ai_sdk.mjs", "generate", "sdk")
    assert output["text"] == "It rains."
    assert output["usage"]["inputTokens"] == 11


@shows("replayed-items")
def test_a_tool_that_it_runs_itself(run_script: RunScript, upstream: ScriptedUpstream) -> None:
    output = run_script("ai_sdk.mjs", "tools", "weather")
    assert output == {"text": "It rains.", "steps": [["rain in Oslo"], []]}
    roles = [message["role"] for message in upstream.completion(1).body["messages"]]
    assert roles == ["user", "assistant", "tool"]
