"""The outline of a request: names and numbers, never contents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.engine.upstreams.request_outline import outline
from requirements import shows

SECRET = "the words of a person"


def of(body: Any) -> Any:
    return outline(json.dumps(body).encode())


@shows("masked-turns")
def test_a_chat_request() -> None:
    call = {"id": SECRET, "type": "function", "function": {"name": "f", "arguments": SECRET}}
    body = {
        "model": "qwen3",
        "messages": [
            {"role": "system", "content": SECRET},
            {"role": "user", "content": [{"type": "text", "text": SECRET}], "name": SECRET},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "required",
        "temperature": 0.5,
        "metadata": {"name": SECRET},
        "stop": [SECRET],
    }
    assert of(body) == {
        "model": "qwen3",
        "messages": [
            {"role": "system", "content": "<21 chars>"},
            {"role": "user", "content": [{"type": "text", "text": "<21 chars>"}], "name": "<21 chars>"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "<21 chars>", "type": "function", "function": {"name": "f", "arguments": "<21 chars>"}}
                ],
            },
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": "<1 keys>"}}],
        "tool_choice": "required",
        "temperature": 0.5,
        "metadata": "<1 keys>",
        "stop": "<1 items>",
    }


@shows("masked-turns")
@pytest.mark.parametrize(
    "body",
    [
        {"input": SECRET, "instructions": SECRET},
        {"input": [SECRET, {"type": SECRET, "role": SECRET, "content": SECRET, "summary": [{"text": SECRET}]}]},
        {"input": [{"type": "message", "content": [{"type": "input_text", "text": SECRET}], "id": SECRET}]},
        {"tools": [{"type": "mcp", "headers": {SECRET: SECRET}, "authorization": SECRET, "name": SECRET}]},
        {"messages": {"role": SECRET}, SECRET: SECRET, "model": SECRET, "tool_choice": {"name": SECRET}},
        {"messages": [[[SECRET]], {"content": [{"type": {"deep": SECRET}}]}], "prompt": [SECRET]},
        SECRET,
        [SECRET],
    ],
    ids=lambda body: str(body)[:30],
)
def test_no_text_is_in_it(body: Any) -> None:
    assert SECRET not in str(of(body))


@shows("masked-turns")
def test_a_long_list_is_cut() -> None:
    visible = of({"messages": [{"role": "user", "content": "a"}] * 1_000})["messages"]
    assert len(visible) == 51
    assert visible[-1] == "<950 more>"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_has_a_length(body: bytes) -> None:
    assert outline(body) == f"<{len(body)} bytes>"
