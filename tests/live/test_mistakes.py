"""Requests that are wrong: a 400 that names the parameter, before the upstream hears of it."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from requirements import shows
from support.caller import Caller
from support.scripts import WEATHER
from support.server import PenstockServer
from support.told import post
from support.upstream import ScriptedUpstream

Json = dict[str, Any]

USER: Json = {"role": "user", "content": "Hello?"}
CALL: Json = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
OUTPUT: Json = {"type": "function_call_output", "call_id": "c1", "output": "seen"}
MCP: Json = {"type": "mcp", "server_label": "a", "server_url": "https://mcp.example.com"}
SCHEMA: Json = {"type": "json_schema", "name": "a", "schema": {}}
NOBODY: Json = {"type": "function", "name": "nobody"}
OMITTED: Any = ...


def user(*parts: Json) -> list[Json]:
    return [USER, {"role": "user", "content": [*parts]}]


# What is wrong, in addition to a request that is right, and the parameter that the error names.
MISTAKES: list[tuple[Json, str]] = [
    ({"model": OMITTED}, "model"),
    ({"model": 3}, "model"),
    ({"input": OMITTED}, "input"),
    ({"input": 3}, "input"),
    ({"input": [3]}, "input[0]"),
    ({"input": [{"role": "nobody", "content": ""}]}, "input[0].role"),
    ({"input": [{"type": 3}]}, "input[0].type"),
    ({"input": [{}]}, "input[0].role"),
    ({"input": [USER | {"content": 3}]}, "input[0].content"),
    ({"input": user({"type": None})}, "input[1].content[0].type"),
    ({"input": user({"type": "input_text"})}, "input[1].content[0].text"),
    ({"input": user({"type": "input_image"})}, "input[1].content[0].image_url"),
    ({"input": user({"type": "input_image", "file_id": "file-1"})}, "input[1].content[0].image_url"),
    ({"input": user({"type": "input_file", "file_url": "https://a.example"})}, "input[1].content[0].file_data"),
    ({"input": [USER, CALL]}, "input[1]"),
    ({"input": [USER, OUTPUT]}, "input[1]"),
    ({"input": [CALL, OUTPUT, OUTPUT]}, "input[2].call_id"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
    ({"instructions": 3}, "instructions"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"max_output_tokens": 1.5}, "max_output_tokens"),
    ({"max_tool_calls": 0}, "max_tool_calls"),
    ({"stream": "yes"}, "stream"),
    ({"include": ["everything"]}, "include[0]"),
    ({"metadata": {"a": 1}}, "metadata[...]"),
    ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
    ({"metadata": {"k" * 65: ""}}, "metadata"),
    ({"metadata": {"k": "v" * 513}}, "metadata[...]"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"tools": [{"type": ["function"]}]}, "tools[0].type"),
    ({"tools": [WEATHER, WEATHER]}, "tools[1].name"),
    ({"tools": [WEATHER] * 129}, "tools"),
    ({"tools": [WEATHER | {"parameters": []}]}, "tools[0].parameters"),
    ({"tools": [WEATHER, MCP]}, "tools[1].type"),
    ({"tool_choice": "sometimes"}, "tool_choice"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
    ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}, "tool_choice"),
    ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice"),
    ({"tools": [WEATHER], "tool_choice": NOBODY}, "tool_choice.name"),
    (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [NOBODY]}},
        "tool_choice.tools[0]",
    ),
    ({"text": {"format": SCHEMA | {"name": "a b"}}}, "text.format.name"),
    ({"text": {"format": SCHEMA | {"schema": 3}}}, "text.format.schema"),
    ({"text": {"format": {"type": "nothing"}}}, "text.format.type"),
    ({"text": {"verbosity": "chatty"}}, "text.verbosity"),
    ({"reasoning": {"effort": "some"}}, "reasoning.effort"),
    ({"truncation": "maybe"}, "truncation"),
    ({"service_tier": "gold"}, "service_tier"),
    ({"safety_identifier": "x" * 65}, "safety_identifier"),
    ({"stop": ["a"] * 5}, "stop"),
    ({"logit_bias": {"1": 101}}, "logit_bias[...]"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"background": True}, "background"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
]


@shows("no-downloads", "absent-tools")
@pytest.mark.parametrize(
    ("wrong", "param"), MISTAKES, ids=[f"{number} {param}" for number, (_, param) in enumerate(MISTAKES)]
)
def test_the_error_names_the_parameter(
    server: PenstockServer, upstream: ScriptedUpstream, wrong: Json, param: str
) -> None:
    ask = {"model": "text", "input": "Hello?"} | wrong
    for stream in (False, True):
        told = post(server.url, {"stream": stream} | {key: value for key, value in ask.items() if value is not OMITTED})
        assert (told.status, told.error["type"], told.error["param"]) == (400, "invalid_request_error", param)
        assert told.headers["x-should-retry"] == "false"
    assert not upstream.requests


def test_a_call_is_named_by_its_id(server: PenstockServer) -> None:
    for items in ([CALL], [OUTPUT], [CALL, OUTPUT, OUTPUT]):
        assert "'c1'" in post(server.url, {"model": "text", "input": items}).error["message"]


def test_the_clients_exception(caller: Caller) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        caller.create(model="text", input="Hello?", temperature=3)
    assert (caught.value.param, caught.value.code, caught.value.type) == (
        "temperature",
        "invalid_value",
        "invalid_request_error",
    )


def test_a_model_that_nobody_has(caller: Caller) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        caller.create(model="nobody", input="Hello?")
    assert caught.value.code == "model_not_found"
