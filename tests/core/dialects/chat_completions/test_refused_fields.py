"""Fields that a model refuses: which errors name one, and what the same turn is without it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from msgspec.structs import replace

from core.kit import LIMITS, Json, plan
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.errors import ApiError
from penstock.ports import HttpRequest, Turn
from requirements import shows

ASKED: Json = {
    "input": [
        {"role": "user", "content": "x"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"role": "assistant", "content": "y"},
        {"role": "user", "content": "z"},
    ],
    "max_output_tokens": 9,
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "user": "u",
    "temperature": 0.5,
    "stream": True,
}
MISTRAL = "; ".join(f"{name}: Extra inputs are not permitted" for name in ("prompt_cache_key", "safety_identifier"))
REFUSALS: dict[str, tuple[str, str | None, set[str]]] = {
    "Mistral": (MISTRAL, None, {"prompt_cache_key", "safety_identifier"}),
    "Groq": ("property 'prompt_cache_key' is unsupported", None, {"prompt_cache_key"}),
    "Groq, in a message": (
        "'messages.1' : for 'role:assistant': [('messages.1' : property 'reasoning_content' is unsupported)]",
        None,
        {"reasoning_content"},
    ),
    "Cerebras": (
        "messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is unsupported",
        None,
        {"reasoning_content"},
    ),
    "Gemini": ('Invalid JSON payload received. Unknown name "user": Cannot find field.', None, {"user"}),
    "OpenAI": ("Unrecognized request argument supplied: safety_identifier", None, {"safety_identifier"}),
    "by its param": ("Unknown parameter.", "stream_options", {"stream_options"}),
    "Go": ('json: unknown field "prompt_cache_key"', None, {"prompt_cache_key"}),
}


def turn_of(body: Json) -> Turn:
    return plan(**body).turn


def dialect(**options: Any) -> ChatCompletions:
    return ChatCompletions(Options(**options), LIMITS)


def fields(request: HttpRequest | None) -> Json:
    assert request is not None
    assert isinstance(request.body, bytes)
    body: Json = json.loads(request.body)
    names = {name for message in body["messages"] for name in message}
    return body | dict.fromkeys(names - {"role", "content"}, True)


@shows("refused-fields")
@pytest.mark.parametrize(("message", "param", "refused"), REFUSALS.values(), ids=REFUSALS)
def test_a_turn_is_sent_again_without_what_was_refused(message: str, param: str | None, refused: set[str]) -> None:
    chat, turn = dialect(), turn_of(ASKED)
    before = fields(chat.encode(turn))
    again = fields(chat.encode_again(turn, ApiError(f"The upstream refused the request: {message}", param=param)))
    assert before.keys() - again.keys() == refused
    assert fields(chat.encode(turn_of(ASKED))) == again
    assert chat.encode_again(turn, ApiError(message, param=param)) is None


@shows("refused-fields")
def test_a_limit_has_the_name_that_a_model_takes() -> None:
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    chat, turn = dialect(), turn_of(ASKED)
    again = fields(chat.encode_again(turn, ApiError(message, param="max_tokens")))
    assert (again.get("max_tokens"), again["max_completion_tokens"]) == (None, 9)
    chat = dialect(max_tokens_field="max_completion_tokens")
    again = fields(chat.encode_again(turn, ApiError("max_completion_tokens: Extra inputs are not permitted")))
    assert (again["max_tokens"], again.get("max_completion_tokens")) == (9, None)


@pytest.mark.parametrize(
    "error",
    [
        ApiError("temperature: Extra inputs are not permitted"),
        ApiError("reasoning_effort is not supported with this model"),
        ApiError("prompt_cache_key is too long"),
        ApiError("Unexpected role 'user' after role 'system'"),
        ApiError("prompt_cache_key is unsupported", status=502),
    ],
)
def test_what_a_client_must_know_stays_an_error(error: ApiError) -> None:
    assert dialect().encode_again(turn_of(ASKED), error) is None


def test_calls_one_after_the_other_are_no_hint() -> None:
    tools = {"tools": [{"type": "function", "name": "f"}]}
    error = ApiError("parallel_tool_calls: Extra inputs are not permitted")
    for asked in (True, False):
        again = fields(dialect().encode_again(turn_of({"input": "x", "parallel_tool_calls": asked} | tools), error))
        assert ("parallel_tool_calls" in again) is not asked


def test_what_models_refuse_is_remembered_within_bounds(caplog: pytest.LogCaptureFixture) -> None:
    chat, error = ChatCompletions(Options(), replace(LIMITS, noted_models_max=10)), ApiError("user: Extra inputs")
    with caplog.at_level(logging.WARNING):
        for number in range(11):
            chat.encode_again(turn_of(ASKED | {"model": f"m{number}"}), error)
        assert chat.encode_again(turn_of(ASKED | {"model": "m" * 1_000}), error)
    assert len(chat._refused._by_model) <= 1
    assert caplog.records[0].getMessage() == "the upstream refuses user for the model 'm0', and gets it no more"


@shows("refused-fields")
def test_what_a_client_sent_and_a_model_does_not_get_is_named() -> None:
    chat, turn = dialect(), turn_of(ASKED)
    assert chat.encode(turn).left_out == ()
    for message in (
        "prompt_cache_key: Extra inputs are not permitted",
        "stream_options: Extra inputs are not permitted",
        "reasoning_content: Extra inputs are not permitted",
    ):
        again = chat.encode_again(turn, ApiError(message))
    assert again is not None
    assert again.left_out == ["prompt_cache_key", "input.reasoning"]
    assert chat.encode(turn_of({"input": "x"})).left_out == []
