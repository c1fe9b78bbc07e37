"""Requests that are wrong: a 400 that names the parameter, before the upstream gets it."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from live.conftest import Start
from requirements import shows
from support import raw
from support.caller import Caller
from support.ignored_headers import post
from support.scripts import WEATHER
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

Json = dict[str, Any]

USER: Json = {"role": "user", "content": "Hello?"}
CALL: Json = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
OUTPUT: Json = {"type": "function_call_output", "call_id": "c1", "output": "seen"}
MCP: Json = {"type": "mcp", "server_label": "a", "server_url": "https://mcp.example.com"}
SCHEMA: Json = {"type": "json_schema", "name": "a", "schema": {}}
UNKNOWN_FUNCTION: Json = {"type": "function", "name": "unknown_function"}
OMITTED: Any = ...


def user(*parts: Json) -> list[Json]:
    return [USER, {"role": "user", "content": [*parts]}]


# What is wrong, in addition to a request that is right, and the parameter that the error names.
MISTAKES: list[tuple[Json, str]] = [
    ({"model": OMITTED}, "model"),
    ({"model": 3}, "model"),
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"input": OMITTED, "messages": [USER]}, "messages"),
    ({"input": user({"type": "input_txt", "text": "x"})}, "input[1].content[0].type"),
    ({"input": [USER, {"type": "mesage", "role": "user", "content": "x"}]}, "input[1].type"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ({"background_options": {"completion_window": "1h"}}, "background_options.completion_window"),
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
    ({"input": [CALL, OUTPUT, CALL]}, "input[2]"),
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
    ({"tools": [WEATHER] * 513}, "tools"),
    ({"tools": [WEATHER | {"parameters": []}]}, "tools[0].parameters"),
    ({"tools": [WEATHER, MCP]}, "tools[1].type"),
    ({"tool_choice": "sometimes"}, "tool_choice"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
    ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}, "tool_choice"),
    ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice"),
    ({"tools": [WEATHER], "tool_choice": UNKNOWN_FUNCTION}, "tool_choice.name"),
    (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [UNKNOWN_FUNCTION]}},
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
        reply = post(
            server.url, {"stream": stream} | {key: value for key, value in ask.items() if value is not OMITTED}
        )
        assert (reply.status, reply.error["type"], reply.error["param"]) == (400, "invalid_request_error", param)
        assert reply.headers["x-should-retry"] == "false"
    assert not upstream.completions


OPENAIS: list[tuple[Json, int, str | None, str | None]] = [
    ({"model": None}, 400, "model", "invalid_type"),
    ({"model": ""}, 400, "model", "model_not_found"),
    ({"max_output_tokens": 0}, 400, "max_output_tokens", "integer_below_min_value"),
    ({"max_tool_calls": 0}, 400, "max_tool_calls", "integer_below_min_value"),
    ({"top_logprobs": 21}, 400, "top_logprobs", "integer_above_max_value"),
    ({"temperature": -1}, 400, "temperature", "decimal_below_min_value"),
    ({"metadata": {str(n): "" for n in range(17)}}, 400, "metadata", "object_above_max_properties"),
    ({"metadata": {"x" * 65: ""}}, 400, "metadata", "string_above_max_length"),
    ({"stop": ["a"] * 5}, 400, "stop", "array_above_max_length"),
    ({"safety_identifier": "x" * 65}, 400, "safety_identifier", "string_above_max_length"),
    ({"prompt": {"id": "pmpt_1"}}, 404, "prompt.id", "prompt_not_found"),
    ({"input": OMITTED, "messages": [USER]}, 400, "messages", "unsupported_parameter"),
    ({"input": None, "messages": [USER], "prompt": {"id": "pmpt_1"}}, 400, "messages", "unsupported_parameter"),
]
"""Requests for which OpenAI's own answers were recorded, or that are of the same kind: status, `param` and `code`."""


@shows("openai-errors")
@pytest.mark.parametrize(("wrong", "status", "param", "code"), OPENAIS, ids=[str(wrong) for wrong, *_ in OPENAIS])
def test_errors_are_openais(
    server: PenstockServer, wrong: Json, status: int, param: str | None, code: str | None
) -> None:
    ask = {key: value for key, value in ({"model": "text", "input": "Hi"} | wrong).items() if value is not OMITTED}
    answer = post(server.url, ask)
    assert (answer.status, answer.error["param"], answer.error["code"]) == (status, param, code)


def test_allowed_values_are_listed_once(server: PenstockServer) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "x"}
    message = post(server.url, {"model": "text", "input": user(image)}).error["message"]
    assert message.count("'auto'") == 1


PAGES = [
    ("limit=0", "limit", "integer_below_min_value"),
    ("limit=101", "limit", "integer_above_max_value"),
    ("limit=x", "limit", "invalid_type"),
    ("order=x", "order", "invalid_value"),
    ("include[]=x", "include[0]", "invalid_value"),
]


@shows("openai-errors")
@pytest.mark.parametrize(("query", "param", "code"), PAGES)
def test_errors_of_pages_have_a_code(start: Start, query: str, param: str, code: str) -> None:
    synthetic = start(PENSTOCK_STORE="memory://")
    for path in ("responses/resp_1/input_items", "conversations/conv_1/items"):
        answer = raw.ask(synthetic.url, "GET", f"/{path}?{query}")
        error = answer.json()["error"]
        assert (answer.status, error["param"], error["code"]) == (400, param, code)


@shows("openai-errors")
def test_an_unknown_conversation_has_no_param(start: Start) -> None:
    """It is not named on any route that looks for one."""
    synthetic = start(PENSTOCK_STORE="memory://")
    answer = post(synthetic.url, {"model": "synthetic", "input": "Hi", "conversation": "conv_1"})
    assert (answer.status, answer.error["param"]) == (404, None)
    for method, rest in (("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/items")):
        path = f"/conversations/conv_1{rest}"
        missing = raw.post(synthetic.url, {}, path) if method == "POST" else raw.ask(synthetic.url, method, path)
        assert (missing.status, missing.json()["error"]["param"]) == (404, None)


def test_messages_beside_an_input_are_ignored_and_named(server: PenstockServer) -> None:
    answer = post(server.url, {"model": "text", "input": "Hi", "messages": [USER]})
    assert (answer.status, answer.headers["x-penstock-ignored"]) == (200, "messages")


@shows("model-default")
def test_a_null_model_is_legal_where_openais_schema_allows_it(
    server: PenstockServer, synthetic: PenstockServer
) -> None:
    for where, status in ((synthetic, 200), (server, 400)):  # the one has a default model
        assert post(where.url, {"model": None, "input": "Hi"}, "/responses/input_tokens").status == status


def test_a_call_is_named_by_its_id(server: PenstockServer) -> None:
    for items in ([CALL], [OUTPUT], [CALL, OUTPUT, OUTPUT]):
        assert "'c1'" in post(server.url, {"model": "text", "input": items}).error["message"]


def test_the_clients_exception(caller: Caller) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        caller.create(model="text", input="Hello?", temperature=3)
    assert (caught.value.param, caught.value.code, caught.value.type) == (
        "temperature",
        "decimal_above_max_value",
        "invalid_request_error",
    )


def test_a_model_that_no_upstream_has(caller: Caller) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        caller.create(model="nobody", input="Hello?")
    assert caught.value.code == "model_not_found"
