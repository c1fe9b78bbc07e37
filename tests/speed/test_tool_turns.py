"""The model of the bench that calls a tool: by the real upstream, in both languages, whole and as a stream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from bench.rounds import start_upstream
from openai import OpenAI
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

FUNCTION = {"name": "echo", "parameters": {"type": "object"}}
CHAT: dict[str, Any] = {
    "model": "tool-3",
    "messages": [{"role": "user", "content": "Call."}],
    "tools": [{"type": "function", "function": FUNCTION}],
}
RESPONSES: dict[str, Any] = {
    "model": "tool-3",
    "input": [{"role": "user", "content": "Call."}],
    "tools": [{"type": "function", **FUNCTION}],
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        yield f"http://127.0.0.1:{start_upstream(stack).port}/v1"


def test_chat_calls_the_first_tool_and_answers_its_output(url: str) -> None:
    client = OpenAI(base_url=url, api_key="none")

    called = client.chat.completions.create(**CHAT)
    output = {"role": "tool", "tool_call_id": "call_bench_1", "content": "rivers"}
    answered = client.chat.completions.create(**CHAT | {"messages": [*CHAT["messages"], output]})

    assert called.choices[0].message.tool_calls is not None
    assert called.choices[0].message.tool_calls[0].to_dict()["function"] == {
        "name": "echo",
        "arguments": '{"text":"rivers"}',
    }
    assert answered.choices[0].message.content == "0000 0001 0002 "


def test_responses_calls_the_first_tool_and_answers_its_output(url: str) -> None:
    client = OpenAI(base_url=url, api_key="none")

    called = client.responses.create(**RESPONSES)
    output = {"type": "function_call_output", "call_id": "call_bench_1", "output": "rivers"}
    answered = client.responses.create(**RESPONSES | {"input": [*RESPONSES["input"], output]})

    assert [(item.type, item.to_dict()["name"]) for item in called.output] == [("function_call", "echo")]
    assert answered.output_text == "0000 0001 0002 "


def test_a_stream_calls_as_a_whole_reply_does(url: str) -> None:
    client = OpenAI(base_url=url, api_key="none")

    chunks = list(client.chat.completions.create(**CHAT, stream=True))
    events = list(client.responses.create(**RESPONSES, stream=True))

    assert chunks[0].choices[0].delta.tool_calls[0].function.name == "echo"
    assert events[-1].response.output[0].name == "echo"


def test_without_tools_it_answers(url: str) -> None:
    reply = OpenAI(base_url=url, api_key="none").chat.completions.create(**CHAT | {"tools": []})

    assert reply.choices[0].message.content == "0000 0001 0002 "


def test_what_it_sends_is_valid(url: str) -> None:
    client = OpenAI(base_url=url, api_key="none")

    chat = ChatCompletion.model_validate_json(client.chat.completions.create(**CHAT).to_json())
    response = Response.model_validate_json(client.responses.create(**RESPONSES).to_json())

    assert chat.choices[0].finish_reason == "tool_calls"
    assert response.status == "completed"
