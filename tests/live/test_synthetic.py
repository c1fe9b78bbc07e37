"""The model that is built in, by the `openai` client: it does all that a real one can, and always the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from requirements import shows
from support.caller import CALLERS, Caller
from support.ignored_headers import nameless, post
from support.scripts import NOTE, WEATHER
from support.server import PenstockServer
from support.tool_items import CRM, SEARCH, deferred

MODEL = "synthetic"
ASKS: dict[str, dict[str, Any]] = {
    "text": {},
    "instructions": {"instructions": "Answer in verse."},
    "reasoning": {"reasoning": {"effort": "medium", "summary": "auto"}},
    "function": {"tools": [WEATHER], "tool_choice": "required"},
    "custom": {"tools": [NOTE], "tool_choice": {"type": "custom", "name": "take_note"}},
    "shell": {"tools": [{"type": "shell"}], "tool_choice": {"type": "shell"}},
    "apply_patch": {"tools": [{"type": "apply_patch"}], "tool_choice": {"type": "apply_patch"}},
    "computer": {"tools": [{"type": "computer"}], "tool_choice": {"type": "computer"}},
    "local_shell": {"tools": [{"type": "local_shell"}], "tool_choice": "required"},
    "namespace": {"tools": [CRM], "tool_choice": {"type": "function", "name": "crm__get_customer"}},
    "tool_search": {"tools": [SEARCH, deferred(WEATHER)], "tool_choice": "required"},
    "json": {"text": {"format": {"type": "json_object"}}},
    "logprobs": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "short": {"max_output_tokens": 1},
    "stop": {"stop": ["e"]},
}


class Step(BaseModel):
    title: str
    minutes: int = Field(ge=1, le=60)


class Recipe(BaseModel):
    name: str
    kind: Literal["soup", "cake"]
    vegan: bool
    steps: list[Step] = Field(min_length=1)


@pytest.fixture(params=CALLERS)
def caller(synthetic: PenstockServer, request: pytest.FixtureRequest) -> Iterator[Caller]:
    with CALLERS[request.param](synthetic.url) as caller:
        yield caller


@pytest.mark.parametrize("name", ASKS)
def test_json_is_the_fold_of_the_stream(synthetic: PenstockServer, name: str) -> None:
    ask = {"model": MODEL, "input": "What is a penstock?", **ASKS[name]}
    whole, streamed, again = (
        post(synthetic.url, ask),
        post(synthetic.url, ask | {"stream": True}),
        post(synthetic.url, ask),
    )
    assert nameless(whole.response) == nameless(streamed.response) == nameless(again.response)
    assert "estimated" not in whole.response["usage"]
    assert whole.response["status"] == ("incomplete" if name == "short" else "completed")


def test_it_answers(caller: Caller) -> None:
    assert caller.create(model=MODEL, input="Say hello.").output_text
    events, final = caller.stream(model=MODEL, input="Say hello.")
    assert len(events) > 8
    assert final.output_text == caller.create(model=MODEL, input="Say hello.").output_text


def test_parse(caller: Caller) -> None:
    response = caller.parse(model=MODEL, input="A recipe?", text_format=Recipe)
    assert isinstance(response.output_parsed, Recipe)
    _, final = caller.stream(model=MODEL, input="A recipe?", text_format=Recipe)
    assert final.output_parsed == response.output_parsed


def test_a_function_call_there_and_back(caller: Caller) -> None:
    question = {"role": "user", "content": "Call get_weather for Paris."}
    first = caller.create(model=MODEL, input=[question], tools=[WEATHER])
    [call] = first.output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert isinstance(json.loads(call.arguments)["city"], str)
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    second = caller.create(model=MODEL, input=[question, *first.output, output], tools=[WEATHER])
    assert second.output[-1].type == "message"


def test_it_thinks_when_asked_to(caller: Caller) -> None:
    response = caller.create(model=MODEL, input="Think.", reasoning={"effort": "low"})
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage.output_tokens_details.reasoning_tokens > 0


PATTERNED = {"type": "string", "pattern": "([a-z]?){100}", "minLength": 1_000}
INVOLVED = {
    "type": "object",
    "properties": {"a": {"type": "array", "minItems": 100, "items": PATTERNED}},
    "required": ["a"],
}
NAMED = {"type": "function", "name": "involved", "parameters": INVOLVED}
HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"text": {"format": {"type": "json_schema", "name": "a", "schema": INVOLVED}}}, "text.format.schema"),
    ({"tools": [WEATHER, NAMED], "tool_choice": {"type": "function", "name": "involved"}}, "tools[1].parameters"),
    (
        {
            "tools": [NAMED | {"name": f"involved_{n}"} for n in range(9)],
            "input": " ".join(f"involved_{n}" for n in range(9)),
        },
        "tools[0].parameters",
    ),
]


@shows("synthetic-work")
@pytest.mark.parametrize(("fields", "param"), HOSTILE, ids=["answer", "call", "many calls"])
def test_a_schema_that_is_work_without_end(synthetic: PenstockServer, fields: dict[str, Any], param: str) -> None:
    reply = post(synthetic.url, {"model": MODEL, "input": "Go."} | fields)
    assert (reply.status, reply.error["param"]) == (400, param)


@shows("synthetic-work")
def test_half_a_character_in_a_pattern(synthetic: PenstockServer) -> None:
    schema = {"type": "string", "pattern": r"\ud800"}
    form = {"format": {"type": "json_schema", "name": "a", "schema": schema}}
    assert post(synthetic.url, {"model": MODEL, "input": "Go.", "text": form}).status == 200
