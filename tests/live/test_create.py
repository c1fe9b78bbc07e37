"""Create, stream and parse by the `openai` client, sync and async: what it sees, and what the upstream is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from requirements import shows
from support.caller import Caller
from support.ignored_headers import nameless, post
from support.scripts import HELLO, TOKENS
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

TEXT_EVENTS = [
    "created",
    "in_progress",
    "output_item.added",
    "content_part.added",
    *["output_text.delta"] * len(HELLO),
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "completed",
]
ECHOED: dict[str, Any] = {
    "instructions": "Be brief.",
    "max_output_tokens": 64,
    "max_tool_calls": 3,
    "metadata": {"run": "7"},
    "parallel_tool_calls": False,
    "prompt_cache_key": "key",
    "safety_identifier": "somebody",
    "service_tier": "flex",
    "temperature": 0.25,
    "text": {"format": {"type": "text"}, "verbosity": "low"},
    "top_logprobs": 2,
    "top_p": 0.5,
    "truncation": "disabled",
    "user": "u1",
}
# What a client did not send has OpenAI's default.
DEFAULTS: dict[str, Any] = {
    "background": False,
    "conversation": None,
    "frequency_penalty": 0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1,
    "truncation": "disabled",
    "user": None,
}


class Weather(BaseModel):
    city: str
    degrees: int


@shows("one-path")
def test_create(caller: Caller, upstream: ScriptedUpstream) -> None:
    response = caller.create(model="text", input="Say hello.")
    assert (response.output_text, response.status, response.model) == ("Hello, world", "completed", "text")
    assert (response.usage.input_tokens, response.usage.output_tokens) == TOKENS
    assert response.completed_at >= response.created_at > 1_700_000_000
    assert upstream.completion().body == {"model": "text", "messages": [{"role": "user", "content": "Say hello."}]}


def test_create_a_stream(caller: Caller, upstream: ScriptedUpstream) -> None:
    events = caller.events(model="text", input="Say hello.")
    assert [event.type.removeprefix("response.") for event in events] == TEXT_EVENTS
    assert events[-1].response.output_text == "Hello, world"
    asked = upstream.completion().body
    assert (asked["stream"], asked["stream_options"]) == (True, {"include_usage": True})


def test_the_stream_helper(caller: Caller) -> None:
    events, final = caller.stream(model="text", input="Say hello.")
    snapshots = [event.snapshot for event in events if event.type == "response.output_text.delta"]
    assert snapshots == ["Hel", "Hello", "Hello, ", "Hello, world"]
    assert final.output_text == "Hello, world"


@shows("format")
def test_parse(caller: Caller, upstream: ScriptedUpstream) -> None:
    response = caller.parse(model="json", input="Weather?", text_format=Weather)
    assert response.output_parsed == Weather(city="Paris", degrees=21)
    asked = upstream.completion().body["response_format"]
    assert (asked["type"], asked["json_schema"]["name"], asked["json_schema"]["strict"]) == (
        "json_schema",
        "Weather",
        True,
    )
    assert asked["json_schema"]["schema"]["required"] == ["city", "degrees"]
    assert caller.last.response["text"]["format"]["schema"] == asked["json_schema"]["schema"]


def test_parse_a_stream(caller: Caller) -> None:
    _, final = caller.stream(model="json", input="Weather?", text_format=Weather)
    assert final.output_parsed == Weather(city="Paris", degrees=21)


@shows("echo")
def test_parameters_are_echoed_and_passed_on(caller: Caller, upstream: ScriptedUpstream) -> None:
    caller.create(model="text", input="Hello?", **ECHOED)
    assert caller.last.response.items() >= ECHOED.items()
    asked = upstream.completion().body
    assert asked.pop("messages") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
    ]
    assert asked == {
        "model": "text",
        "logprobs": True,
        "max_tokens": 64,
        "prompt_cache_key": "key",
        "safety_identifier": "somebody",
        "service_tier": "flex",
        "temperature": 0.25,
        "top_logprobs": 2,
        "top_p": 0.5,
        "user": "u1",
        "verbosity": "low",
    }


@shows("echo")
def test_defaults_are_echoed_and_not_passed_on(caller: Caller) -> None:
    caller.create(model="text", input="Hello?")
    assert caller.last.response.items() >= DEFAULTS.items()


def test_sampling_parameters_of_local_backends(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    sampling: dict[str, Any] = {
        "seed": 7,
        "stop": ["END"],
        "top_k": 40,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "logit_bias": {"42": -100},
    }
    reply = post(server.url, {"model": "text", "input": "Hello?"} | sampling)
    assert upstream.completion().body.items() >= sampling.items()
    assert reply.response["presence_penalty"] == 0.5
    assert "x-penstock-ignored" not in reply.headers


@shows("obfuscation")
@pytest.mark.parametrize("model", ["text", "call", "reasoning"])
def test_obfuscation_pads_every_delta_and_changes_nothing_else(server: PenstockServer, model: str) -> None:
    ask: dict[str, Any] = {"model": model, "input": "Hello?", "stream": True}
    plain = post(server.url, ask)
    padded = post(server.url, ask | {"stream_options": {"include_obfuscation": True}})
    assert nameless(padded.response) == nameless(plain.response)
    assert padded.names == plain.names
    for name, event in zip(padded.names, padded.events, strict=True):
        assert ("obfuscation" in event) == name.endswith(".delta")
        if "obfuscation" in event:
            result = json.dumps(event["delta"] + event["obfuscation"], ensure_ascii=False)
            assert len(result.encode()) % 16 == 2


@shows("usage-event")
def test_usage_as_an_event_of_its_own(server: PenstockServer) -> None:
    reply = post(
        server.url,
        {"model": "text", "input": "Hello?", "stream": True, "stream_options": {"include_usage": True}},
    )
    assert reply.names[-2:] == ["usage", "completed"]
    assert reply.events[-2]["usage"] == reply.response["usage"]


@shows("late-errors")
def test_usage_with_its_details(server: PenstockServer) -> None:
    usage = post(server.url, {"model": "usage_detailed", "input": "Hello?"}).response["usage"]
    assert usage == {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 18,
    }
