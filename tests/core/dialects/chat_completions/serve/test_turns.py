"""The requests of chat clients as turns: each parameter arrives, and a wrong one is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.dialects.chat_completions.serve.generations import HELLO, WEATHER, chat, completion
from penstock.dialects import synthetic
from penstock.dialects.chat_completions.serve.requests import ChatRequest
from penstock.dialects.chat_completions.serve.turns import chat_generation, in_chat_terms
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Choice
from penstock.wire import JsonSchemaFormat
from requirements import shows


def test_parameters_are_those_of_a_response() -> None:
    [turn] = chat(
        temperature=0.5,
        top_p=0.9,
        seed=7,
        stop=["x"],
        max_tokens=9,
        verbosity="low",
        reasoning_effort="high",
        logprobs=True,
        top_logprobs=2,
        parallel_tool_calls=False,
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    ).turns
    request = turn.request
    assert (request.temperature, request.top_p, request.seed, request.stop) == (0.5, 0.9, 7, ["x"])
    assert (request.max_output_tokens, request.top_logprobs, request.parallel_tool_calls) == (9, 2, False)
    assert request.text is not None
    assert request.text.verbosity == "low"
    assert isinstance(request.text.format, JsonSchemaFormat)
    assert request.reasoning is not None
    assert request.reasoning.effort == "high"
    assert [offer.name for offer in turn.offers] == ["get_weather"]
    assert turn.choice == Choice(mode="required", name="get_weather")


def test_the_newer_name_of_the_limit_counts() -> None:
    assert chat(max_tokens=9, max_completion_tokens=5).turns[0].request.max_output_tokens == 5


def test_parameters_of_local_backends_go_with_the_turn() -> None:
    extras = {"min_tokens": msgspec.Raw(b"5"), "ignore_eos": msgspec.Raw(b"true")}
    assert chat(min_tokens=5, ignore_eos=True).turns[0].extras == extras
    assert chat(min_tokens=0, ignore_eos=False).turns[0].extras == {}


@shows("synthetic-chat")
@pytest.mark.parametrize(
    ("param", "asked"),
    [
        ("stream_options", {"stream_options": {"include_usage": True}}),
        ("top_logprobs", {"top_logprobs": 2}),
        ("tool_choice", {"tool_choice": "required"}),
        ("tool_choice.function.name", {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ("tools[0].function.parameters", {"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]}),
        ("n", {"n": 129}),
        ("messages[0].content", {"messages": [{"role": "user"}]}),
        ("messages[0].tool_call_id", {"messages": [{"role": "tool", "content": "x"}]}),
    ],
)
def test_a_wrong_parameter_is_named(param: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as raised:
        chat(**asked)
    assert (raised.value.status, raised.value.param) == (400, param)


def test_prompts_and_choices_are_bounded_together() -> None:
    assert len(completion(prompt=["a"] * 64, n=2).turns) == 128
    with pytest.raises(ApiError, match="at most 128 choices in all, but got 130"):
        completion(prompt=["a"] * 65, n=2)
    body = msgspec.convert({"messages": HELLO, "n": 2}, ChatRequest)
    with pytest.raises(ApiError, match="at most 1 choices"):
        chat_generation(body, "synthetic", "synthetic", Limits(choices_max=1))


@pytest.mark.parametrize(
    ("param", "asked"),
    [
        ("min_tokens", {"min_tokens": 9, "max_tokens": 5}),
        ("max_tokens", {"max_tokens": 10**9, "ignore_eos": True}),
        (
            "response_format.json_schema.schema",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#/b"}}}},
        ),
        (
            "tools[0].function.parameters",
            {
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"$ref": "#/b"}}}],
                "tool_choice": "required",
            },
        ),
    ],
)
def test_errors_of_the_model_name_parameters_of_chat(param: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as raised:
        synthetic.generate(chat(**asked).turns[0])
    assert str(in_chat_terms(raised.value, "messages").param).startswith(param)
