"""The body of a request: short forms, exact errors, bounds."""

import json
from typing import Any

import msgspec
import pytest

from core.kit import LIMITS, Json, encode, to_json
from penstock.engine import decode
from penstock.errors import ApiError
from penstock.limits import Limits
from requirements import shows
from support.calls import count_calls

HI = {"role": "user", "content": "Hi"}
FUNCTION = {"type": "function", "name": "f"}


def read(limits: Limits = LIMITS, **fields: Any) -> Json:
    """The request as it was understood, without what was not sent."""
    decoded = decode(json.dumps(fields).encode(), limits)
    return {name: value for name, value in to_json(decoded.request).items() if value is not None}


def refused(body: bytes | Json, limits: Limits = LIMITS) -> ApiError:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ApiError) as caught:
        decode(sent, limits)
    assert caught.value.status == 400
    return caught.value


# Short forms.

SHORT: dict[str, tuple[Any, Any]] = {
    "a string": ("Hi", "Hi"),
    "no items": ([], []),
    "a message": ([HI], [{"type": "message", **HI}]),
    "a message whose type is null": ([{"type": None, **HI}], [{"type": "message", **HI}]),
    "a message with an id": ([{"id": "msg_1", **HI}], [{"type": "message", "id": "msg_1", **HI}]),
    "a reference": ([{"id": "msg_1"}], [{"type": "item_reference", "id": "msg_1"}]),
    "mixed": (
        [HI, {"type": "message", **HI}, {"type": "item_reference", "id": "x"}, HI],
        [{"type": "message", **HI}] * 2 + [{"type": "item_reference", "id": "x"}, {"type": "message", **HI}],
    ),
}


@pytest.mark.parametrize(("given", "read_as"), SHORT.values(), ids=SHORT)
def test_short_forms_are_filled_in(given: Any, read_as: Any) -> None:
    assert read(input=given)["input"] == read_as


@shows("short-messages-are-cheap")
def test_messages_without_a_type_cost_no_more_for_each() -> None:
    def calls(*items: Json) -> int:
        body = json.dumps({"model": "m", "input": items}).encode()
        return count_calls(lambda: decode(body, LIMITS))

    calls(HI)  # makes what is made at first use
    more = [calls(*[HI] * number) - calls(*[HI | {"type": "message"}] * number) for number in (1, 100)]
    assert more[0] == more[1]


def test_the_bytes_of_a_schema_stay_beside_a_short_form() -> None:
    tool = b'{"type": "function", "name": "f", "parameters": {"a": 1.50}}'
    body = b'{"input": [{"role": "user", "content": "Hi"}], "tools": [' + tool + b"]}"
    [stored] = decode(body, LIMITS).request.tools or []
    assert b'{"a": 1.50}' in encode(stored)


def test_a_schema_on_several_lines_comes_on_one() -> None:
    body = json.dumps({"tools": [FUNCTION | {"parameters": {"a": ["x\n", 1]}}]}, indent=2).replace("\n", "\r\n")
    [tool] = decode(body.encode(), LIMITS).request.tools or []
    assert b'"parameters":{"a":["x\\n",1]}' in encode(tool)


# Errors of single parameters.

VALUES: dict[str, tuple[Json, str, str]] = {
    "too hot": ({"temperature": 2.1}, "temperature", "<= 2.0"),
    "too cold": ({"temperature": -0.1}, "temperature", ">= 0.0"),
    "top_p": ({"top_p": 1.1}, "top_p", "<= 1.0"),
    "no tokens": ({"max_output_tokens": 0}, "max_output_tokens", ">= 1"),
    "half a token": ({"max_output_tokens": 1.5}, "max_output_tokens", "integer"),
    "logprobs": ({"top_logprobs": 21}, "top_logprobs", "<= 20"),
    "no calls": ({"max_tool_calls": 0}, "max_tool_calls", ">= 1"),
    "seed": ({"seed": 2**63}, "seed", "<="),
    "huge": ({"max_output_tokens": -(10**4_000)}, "max_output_tokens", ">= 1"),
    "stops": ({"stop": ["a"] * 5}, "stop", "length <= 4"),
    "top_k": ({"top_k": -2}, "top_k", ">= -1"),
    "min_p": ({"min_p": 2}, "min_p", "<= 1.0"),
    "repetition": ({"repetition_penalty": 11}, "repetition_penalty", "<= 10.0"),
    "presence": ({"presence_penalty": 3}, "presence_penalty", "<= 2.0"),
    "frequency": ({"frequency_penalty": -3}, "frequency_penalty", ">= -2.0"),
    "bias": ({"logit_bias": {"1": 101}}, "logit_bias[...]", "<= 100.0"),
    "identifier": ({"safety_identifier": "x" * 65}, "safety_identifier", "length <= 64"),
    "metadata": ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "properties <= 16"),
    "a key of metadata": ({"metadata": {"x" * 65: ""}}, "metadata", "length <= 64"),
    "a value of metadata": ({"metadata": {"x": "y" * 513}}, "metadata[...]", "length <= 512"),
    "a number in metadata": ({"metadata": {"x": 1}}, "metadata[...]", "expected string, got integer"),
    "a name": ({"tools": [FUNCTION | {"name": ""}]}, "tools[0].name", "length >= 1"),
    "a schema's name": (
        {"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}},
        "text.format.name",
        "A-Za-z0-9_-",
    ),
    "a model": ({"model": 5}, "model", "expected string or null, got integer"),
    "a stream": ({"stream": "true"}, "stream", "expected boolean or null, got string"),
    "an input": ({"input": 5}, "input", "expected string or array or null, got integer"),
    "an item": ({"input": [5]}, "input[0]", "expected object, got integer"),
    "a content": ({"input": [{"role": "user", "content": 5}]}, "input[0].content", "expected string or array"),
    "a part": ({"input": [HI, {"role": "user", "content": ["x"]}]}, "input[1].content[0]", "expected object"),
    "a schema": ({"tools": [FUNCTION | {"parameters": []}]}, "tools[0].parameters", "expected an object"),
    "a schema of the answer": (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": "x"}}},
        "text.format.schema",
        "expected an object",
    ),
    "no schema of the answer": (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": None}}},
        "text.format.schema",
        "expected an object",
    ),
}


def _codes(reported: str) -> tuple[str, ...]:
    """OpenAI's codes of an error whose message holds these words."""
    if "length" in reported:
        side = "above_max" if "<=" in reported else "below_min"
        return f"string_{side}_length", f"array_{side}_length"
    if "properties" in reported:
        return ("object_above_max_properties",)
    if "=" in reported:
        side = "above_max" if "<=" in reported else "below_min"
        return f"integer_{side}_value", f"decimal_{side}_value"
    return "invalid_value", "invalid_type"


@pytest.mark.parametrize(("fields", "param", "reported"), VALUES.values(), ids=VALUES)
def test_a_bad_value_is_named(fields: Json, param: str, reported: str) -> None:
    error = refused({"input": "Hi"} | fields)
    assert (error.param, error.code) in {(param, code) for code in _codes(reported)}
    assert reported in error.message
    assert f"'{param}'" in error.message
    assert "`" not in error.message


WORDS: dict[str, tuple[Json, str, str]] = {
    "a role": (
        {"input": [{"role": "usr", "content": ""}]},
        "input[0].role",
        "'assistant', 'developer', 'system' and 'user'.",
    ),
    "a choice": ({"tool_choice": "any"}, "tool_choice", "'none'"),
    "a type of choice": ({"tool_choice": {"type": "x"}}, "tool_choice.type", "'function', 'custom', 'mcp'"),
    "effort": ({"reasoning": {"effort": "much"}}, "reasoning.effort", "'high', 'low', 'max'"),
    "include": ({"include": ["x"]}, "include[0]", "'message.output_text.logprobs'"),
    "truncation": ({"truncation": "x"}, "truncation", "'auto' and 'disabled'"),
    "format": ({"text": {"format": {"type": "x"}}}, "text.format.type", "'text', 'json_object' and 'json_schema'"),
    "verbosity": ({"text": {"verbosity": "x"}}, "text.verbosity", "'high', 'low' and 'medium'."),
    "a tier": ({"service_tier": "x"}, "service_tier", "'auto', 'default'"),
}


@pytest.mark.parametrize(("fields", "param", "reported"), WORDS.values(), ids=WORDS)
def test_a_wrong_value_is_answered_with_the_allowed_ones(fields: Json, param: str, reported: str) -> None:
    error = refused({"input": "Hi"} | fields)
    assert (error.param, error.code) == (param, "invalid_value")
    assert "Supported values are: " in error.message
    assert reported in error.message


def test_a_wrong_value_is_shortened_in_the_message() -> None:
    assert len(refused({"truncation": "x" * 100_000}).message) < 1_000


MISSING: dict[str, tuple[Json, str]] = {
    "a name": ({"tools": [{"type": "function"}]}, "tools[0].name"),
    "a schema": ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    "a content": ({"input": [{"role": "user"}]}, "input[0].content"),
    "a role": ({"input": [{"content": "Hi"}]}, "input[0].role"),
    "anything": ({"input": [{}]}, "input[0].role"),
    "a call's name": ({"input": [HI, {"type": "function_call", "call_id": "c"}]}, "input[1].name"),
    "a text": ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
    "a part's type": ({"input": [{"role": "user", "content": [{"text": "Hi"}]}]}, "input[0].content[0].type"),
    "a tool's type": ({"tools": [{"name": "f"}]}, "tools[0].type"),
    "a choice's name": ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
}


@pytest.mark.parametrize(("fields", "param"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named(fields: Json, param: str) -> None:
    error = refused({"input": "Hi"} | fields)
    assert (error.param, error.code) == (param, "missing_required_parameter")
    assert error.message == f"Missing required parameter: '{param}'."


# Errors of the whole.

BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no body"),
    "blanks": (b" \n", "not valid JSON"),
    "no JSON": (b"input=Hi", "not valid JSON"),
    "cut": (b'{"input": "Hi', "not valid JSON"),
    "more than one": (b"{}{}", "not valid JSON"),
    "a list": (b"[]", "Expected object, got array"),
    "a string": (b'"Hi"', "Expected object, got string"),
    "null": (b"null", "Expected object, got null"),
    "NaN": (b'{"temperature": NaN}', "not valid JSON"),
    "half a pair": (b'{"input": "\\ud800"}', "not valid JSON"),
    "no UTF-8": (b'{"input": "\xff"}', "not valid"),
    "no UTF-8 in what is only forwarded": (
        b'{"tools": [{"type": "function", "name": "f", "parameters": {"a": "\xff"}}]}',
        "not valid",
    ),
    "no UTF-8 in what nobody knows": (b'{"other": "\xff"}', "not valid"),
    "UTF-16": ('{"input": "Hi"}'.encode("utf-16"), "not valid"),
    "a deep list": (b"[" * 100_000, "Expected object, got array"),
    "too deep": (b'{"other": ' + b"[" * 100_000, "nested too deeply"),
    "too deep within": (b'{"input": ' + b'[{"content":' * 10_000, "nested too deeply"),
    "too deep, on lines": (b'{"input":\n' + b"[" * 10_000, "nested too deeply"),
    "too deep in a schema": (
        b'{"tools": [{"type": "function", "name": "f", "parameters": {"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}}]}",
        "nested too deeply",
    ),
}


@pytest.mark.parametrize(("body", "reported"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_none_is_no_parameters_fault(body: bytes, reported: str) -> None:
    error = refused(body)
    assert error.param is None
    assert reported in error.message


# Bounds.

SMALL = msgspec.structs.replace(LIMITS, input_items_max=2, input_parts_max=2, tools_max=2)
PARTS = [{"type": "input_text", "text": ""}] * 3
ADDED = {"type": "additional_tools", "role": "developer"}
NAMESPACE = {"type": "namespace", "name": "n", "description": "", "tools": [FUNCTION, FUNCTION | {"name": "g"}]}

BOUNDS: dict[str, tuple[Json, str]] = {
    "items": ({"input": [HI] * 3}, "input"),
    "parts of a message": ({"input": [{"role": "user", "content": PARTS}]}, "input[0].content"),
    "parts of an output": (
        {"input": [HI, {"type": "function_call_output", "call_id": "c", "output": PARTS}]},
        "input[1].output",
    ),
    "tools": ({"tools": [FUNCTION] * 3}, "tools"),
    "tools within a namespace": ({"tools": [NAMESPACE]}, "tools"),
    "additional tools": ({"input": [HI, ADDED | {"tools": [FUNCTION] * 3}]}, "input[1].tools"),
    "allowed tools": (
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}] * 3}},
        "tool_choice.tools",
    ),
    "tools that were found": (
        {"input": [{"type": "tool_search_output", "call_id": "c", "tools": [NAMESPACE]}]},
        "input[0].tools",
    ),
}


@pytest.mark.parametrize(("fields", "param"), BOUNDS.values(), ids=BOUNDS)
def test_a_bound_is_reported_by_its_parameter(fields: Json, param: str) -> None:
    error = refused({"input": "Hi"} | fields, SMALL)
    assert (error.param, error.code) == (param, "array_above_max_length")
    assert error.message == f"Invalid '{param}': array too long. Expected at most 2 elements, but got 3."
    decode(json.dumps({"input": "Hi"} | fields).encode(), LIMITS)


NO_SCHEMA = {"type": "function", "name": "f", "parameters": []}
SCHEMAS: dict[str, tuple[Json, str]] = {
    "a function": ({"tools": [FUNCTION, NO_SCHEMA]}, "tools[1].parameters"),
    "a search": ({"tools": [{"type": "tool_search", "parameters": "x"}]}, "tools[0].parameters"),
    "within a namespace": ({"tools": [NAMESPACE | {"tools": [FUNCTION, NO_SCHEMA]}]}, "tools[0].tools[1].parameters"),
    "additional": (
        {"input": [ADDED | {"tools": [NAMESPACE | {"tools": [NO_SCHEMA]}]}]},
        "input[0].tools[0].tools[0].parameters",
    ),
}


@pytest.mark.parametrize(("fields", "param"), SCHEMAS.values(), ids=SCHEMAS)
def test_parameters_are_an_object_wherever_a_tool_is_declared(fields: Json, param: str) -> None:
    error = refused({"input": "Hi"} | fields)
    assert (error.param, error.code) == (param, "invalid_type")


# What is unknown.


def test_unknown_parameters_are_separated_as_they_were_sent() -> None:
    decoded = decode(b'{"input": "Hi", "b": [1.50], "a": null, "b": {"x": 1}}', LIMITS)
    assert {name: bytes(raw) for name, raw in decoded.unknown.items()} == {"a": b"null", "b": b'{"x": 1}'}


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    assert decode(b'{"input": "a", "input": "b"}', LIMITS).request.input == "b"


@shows("half-characters-refused")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (rb'{"model":"m","input":"a\ud83d"}', "it has half of a surrogate pair, which is no character (byte 23)."),
        (rb'{"model":"m","input":"\udc00 b"}', "it has half of a surrogate pair, which is no character (byte 22)."),
        (
            rb'{"model":"m","metadata":{"\ud800":"b"},"input":5}',
            "half of a surrogate pair, which is no character (byte 26).",
        ),
        (b'{"model":"\xff"}', "it is not UTF-8 (byte 10)."),
        (rb'{"model":NaN,"input":"\ud83d"}', "invalid character (byte 9)."),
        (b'{"model":"m"', "Input data was truncated."),
    ],
)
def test_why_a_body_is_not_json(body: bytes, reason: str) -> None:
    assert refused(body).message.endswith(reason)
