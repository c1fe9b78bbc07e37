"""Tools by the `openai` client: calls there and back, functions and custom ones, one and several, and every choice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel

from requirements import shows
from support.caller import Caller
from support.ignored_headers import post
from support.scripts import NOTE, NOTE_TEXT, PARIS, WEATHER
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

QUESTION = {"role": "user", "content": "What is the weather?"}
NOW = WEATHER | {"name": "now", "parameters": {"type": "object", "properties": {}}}


def offered(upstream: ScriptedUpstream, number: int = 0) -> list[str]:
    tools = upstream.completion(number).body.get("tools", [])
    return [tool["function"]["name"] for tool in tools]


def function(name: str, arguments: str) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def test_a_function_call_there_and_back(caller: Caller, upstream: ScriptedUpstream) -> None:
    first = caller.create(model="call", input=[QUESTION], tools=[WEATHER])
    [call] = first.output
    assert (call.type, call.call_id, json.loads(call.arguments)) == ("function_call", "call_a", {"city": "Paris"})
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    second = caller.create(model="text", input=[QUESTION, *first.output, output], tools=[WEATHER])
    assert second.output_text == "Hello, world"
    assert caller.last.response["tools"] == [WEATHER]
    asked = upstream.completion(1).body
    assert asked["messages"] == [
        QUESTION,
        {
            "role": "assistant",
            "tool_calls": [{"type": "function", "id": "call_a", "function": function("get_weather", PARIS)}],
        },
        {"role": "tool", "content": "21 degrees", "tool_call_id": "call_a"},
    ]
    schema = {key: WEATHER[key] for key in ("name", "description", "parameters")}
    assert asked["tools"] == [{"type": "function", "function": schema}]


@shows("custom-tools", "custom-input")
def test_a_custom_tool_there_and_back(caller: Caller, upstream: ScriptedUpstream) -> None:
    first = caller.create(model="custom_call", input=[QUESTION], tools=[NOTE])
    [call] = first.output
    assert (call.type, call.name, call.input) == ("custom_tool_call", "take_note", NOTE_TEXT)
    output = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "noted"}
    caller.create(model="text", input=[QUESTION, *first.output, output], tools=[NOTE])
    asked = upstream.completion(1).body
    [sent] = asked["messages"][1]["tool_calls"]
    assert sent["function"]["name"] == "take_note"
    assert json.loads(sent["function"]["arguments"]) == {"input": NOTE_TEXT}
    assert asked["tools"][0]["function"]["parameters"]["required"] == ["input"]


@shows("custom-input")
def test_a_custom_tool_streams_its_input(caller: Caller) -> None:
    events = caller.events(model="custom_call", input="Hello?", tools=[NOTE])
    deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
    assert "".join(deltas) == NOTE_TEXT
    assert len(deltas) > 5


def test_the_grammar_of_a_custom_tool_is_sent(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /[a-z]+/"}
    post(server.url, {"model": "text", "input": "Hello?", "tools": [NOTE | {"format": grammar}]})
    [tool] = upstream.completion().body["tools"]
    assert "start: /[a-z]+/" in tool["function"]["description"]


def test_parallel_calls_there_and_back(caller: Caller, upstream: ScriptedUpstream) -> None:
    first = caller.create(model="parallel_calls", input=[QUESTION], tools=[WEATHER])
    assert [call.call_id for call in first.output] == ["call_a", "call_b"]
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": call.arguments}
        for call in reversed(first.output)
    ]
    caller.create(model="text", input=[QUESTION, *first.output, *outputs], tools=[WEATHER])
    roles = [(one["role"], one.get("tool_call_id")) for one in upstream.completion(1).body["messages"]]
    assert roles == [("user", None), ("assistant", None), ("tool", "call_a"), ("tool", "call_b")]


@shows("arguments", "mixed-calls")
def test_parallel_calls_stream_into_items_of_their_own(caller: Caller) -> None:
    for model in ("parallel_calls", "interleaved_calls"):
        _, final = caller.stream(model=model, input="Hello?", tools=[WEATHER])
        assert [json.loads(call.arguments)["city"] for call in final.output] == ["Paris", "Oslo"]


@shows("arguments", "empty-arguments")
def test_a_call_without_arguments_is_reported_as_an_empty_object(caller: Caller) -> None:
    events = caller.events(model="call_without_arguments", input="Hello?", tools=[NOW])
    assert [event.delta for event in events if event.type.endswith("arguments.delta")] == ["{}"]


def test_parsed_arguments(caller: Caller) -> None:
    class GetWeather(BaseModel):
        city: str

    tool: Any = pydantic_function_tool(GetWeather, name="get_weather")["function"]
    tools = [{"type": "function", **tool}]
    parsed = caller.parse(model="call", input="Weather?", tools=tools)
    assert parsed.output[0].parsed_arguments == {"city": "Paris"}


@shows("output-parts", "output-images")
def test_an_output_may_hold_images(caller: Caller, upstream: ScriptedUpstream) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    parts = [
        {"type": "input_text", "text": "Seen:"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
    ]
    output = {"type": "function_call_output", "call_id": "c", "output": parts}
    caller.create(model="text", input=[QUESTION, call, output])
    *_, tool, visible = upstream.completion().body["messages"]
    assert (tool["role"], tool["tool_call_id"]) == ("tool", "c")
    assert tool["content"].startswith("Seen:")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
    assert visible == {"role": "user", "content": [image]}


NAMED = {"type": "function", "function": {"name": "take_note"}}
ALLOWED = {"type": "allowed_tools", "tools": [{"type": "function", "name": "now"}]}


@shows("custom-tools", "allowed-tools")
@pytest.mark.parametrize(
    ("choice", "sent", "names"),
    [
        ("auto", None, ["get_weather", "now", "take_note"]),
        ("none", "none", ["get_weather", "now", "take_note"]),
        ("required", "required", ["get_weather", "now", "take_note"]),
        ({"type": "function", "name": "now"}, NAMED | {"function": {"name": "now"}}, None),
        ({"type": "custom", "name": "take_note"}, NAMED, None),
        (ALLOWED | {"mode": "auto"}, None, ["now"]),
        (ALLOWED | {"mode": "required"}, "required", ["now"]),
    ],
    ids=str,
)
def test_every_choice(
    server: PenstockServer, upstream: ScriptedUpstream, choice: Any, sent: Any, names: list[str] | None
) -> None:
    ask = {"model": "text", "input": "Hello?", "tools": [WEATHER, NOW, NOTE], "tool_choice": choice}
    reply = post(server.url, ask)
    assert reply.response["tool_choice"] == choice
    assert upstream.completion().body.get("tool_choice") == sent
    assert names is None or offered(upstream) == names


def test_parallel_tool_calls_is_passed_on(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    post(server.url, {"model": "call", "input": "Hello?", "tools": [WEATHER], "parallel_tool_calls": False})
    assert upstream.completion().body["parallel_tool_calls"] is False
