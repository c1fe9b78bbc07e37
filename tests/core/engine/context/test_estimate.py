"""The estimate: what of each item costs tokens, and what does not, though its JSON is long."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from core.kit import FakeUpstream, Json, from_json, plan, routes
from penstock.engine.context.estimate import (
    _MEDIA_TOKENS,
    _TEXTS,
    estimate_input,
    estimate_usage,
    has_media,
    item_tokens,
)
from penstock.ports import Turn
from penstock.wire import ContentPart, OutputItem, UnknownPart
from requirements import shows

LONG_ID = "x" * 400
LOGPROB: Json = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
CITATION: Json = {"type": "url_citation", "url": "https://example.com/" + "a" * 400, "title": "A"}
IMAGE: Json = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 40_000}
FILE: Json = {"type": "input_file", "file_data": "data:text/plain;base64," + "A" * 40_000}
SOUND: Json = {"type": "input_audio", "input_audio": {"data": "A" * 40_000, "format": "mp3"}}


def turn(*items: Json, relays: bool = False, **request: Any) -> Turn:
    return plan(to=routes(FakeUpstream(), relays=relays), input=list(items), **request).turn


def cost(*items: Json, relays: bool = False) -> list[int]:
    """What each item costs in the input of a turn."""
    return item_tokens(turn(*items, relays=relays))


def text(size: int) -> int:
    return -(-size // 4)


def message(*content: Json, role: str = "user", **beside: Any) -> Json:
    return {"type": "message", "id": LONG_ID, "role": role, "content": list(content), **beside}


def output_text(words: str, **beside: Any) -> Json:
    return {"type": "output_text", "text": words, **beside}


def call(kind: str, **fields: Any) -> Json:
    return {"type": kind, "id": LONG_ID, "call_id": LONG_ID, "status": "completed", **fields}


SHELL_OUTPUT: Json = {"stdout": "a" * 40, "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}
ARGUMENTS = '{"city": "Paris"}'
COSTS: dict[str, tuple[Json, int]] = {
    "a question": (message({"type": "input_text", "text": "Hello?!"}), 2),
    "a question that is a plain text": ({"role": "user", "content": "Hello?!"}, 2),
    "umlauts, by their bytes": ({"role": "user", "content": "ü" * 8}, 4),
    "an answer": (message(output_text("A" * 7), role="assistant"), 2),
    "an answer with logprobs": (message(output_text("A" * 7, logprobs=[LOGPROB] * 9), role="assistant"), 2),
    "an answer with citations": (message(output_text("A" * 7, annotations=[CITATION] * 9), role="assistant"), 2),
    "parts, together": (message(output_text("A" * 3), output_text("B" * 3), role="assistant"), 2),
    "a refusal": (message({"type": "refusal", "refusal": "A" * 7}, role="assistant"), 2),
    "an image": (message({"type": "input_text", "text": "See:"}, IMAGE), 1 + 765),
    "a file": (message(FILE), 1_000),
    "a sound": (message(SOUND), 1_000),
    "thoughts": (
        {
            "type": "reasoning",
            "id": LONG_ID,
            "content": [{"type": "reasoning_text", "text": "A" * 7}],
            "summary": [{"type": "summary_text", "text": "A" * 700}],
            "encrypted_content": "A" * 700,
        },
        2,
    ),
    "thoughts that are sealed": (
        {"type": "reasoning", "id": LONG_ID, "summary": [], "encrypted_content": "A" * 700},
        0,
    ),
    "a function call": (call("function_call", name="look", arguments=ARGUMENTS), text(len("look" + ARGUMENTS))),
    "its output": (call("function_call_output", output="A" * 7), 2),
    "an output of parts": (call("function_call_output", output=[{"type": "input_text", "text": "See:"}, FILE]), 1_001),
    "a custom call": (call("custom_tool_call", name="note", input="A" * 7), text(len('note{"input":"AAAAAAA"}'))),
    "its output of a text": (call("custom_tool_call_output", output="A" * 7), 2),
    "a shell call": (call("shell_call", action={"commands": ["ls"]}), text(len('shell{"commands":["ls"]}'))),
    "what it wrote": (
        call("shell_call_output", output=[SHELL_OUTPUT]),
        text(len("exit code: 0\nstdout:\n" + "a" * 40)),
    ),
    "a screen": (
        call("computer_call_output", output={"type": "computer_screenshot", "image_url": IMAGE["image_url"]}),
        765,
    ),
    "a web search with its results": (
        call("web_search_call", action={"type": "search", "query": "x"}, results=[{"text": "A" * 20}])
        | {"call_id": None},
        text(len('web_search{"query":"x"}' + '[{"text": "' + "A" * 20 + '"}]')),
    ),
    "a search in files": (
        {"type": "file_search_call", "id": LONG_ID, "queries": ["x"], "results": [{"filename": "a", "text": "A" * 7}]},
        text(len('file_search{"queries":["x"]}' + "[a]\nAAAAAAA")),
    ),
    "an image that was made": (
        {"type": "image_generation_call", "id": LONG_ID, "status": "completed", "result": "A" * 40_000},
        text(len('image_generation{"prompt":""}' + "The image was made.")) + 765,
    ),
    "a call of an MCP server": (
        {"type": "mcp_call", "id": LONG_ID, "server_label": "s", "name": "f", "arguments": "{}", "output": "A" * 7},
        text(len("s__f{}AAAAAAA")),
    ),
}


@shows("estimated-usage", "estimate-of-text")
@pytest.mark.parametrize("relays", [False, True], ids=["chat", "relayed"])
@pytest.mark.parametrize("name", COSTS)
def test_what_an_item_costs(name: str, relays: bool) -> None:
    item, tokens = COSTS[name]
    assert cost(item, relays=relays) == [tokens]


UNKNOWN: Json = {"type": "hologram_call", "shape": "cube"}
TOOLS: list[Json] = [{"name": "f", "input_schema": {"type": "object"}}]
RELAYED: dict[str, tuple[Json, str]] = {
    "an item of no known type": (
        UNKNOWN | {"id": LONG_ID, "status": "completed"},
        '{"type":"hologram_call","shape":"cube"}',
    ),
    "a list of tools": (
        {"type": "mcp_list_tools", "id": LONG_ID, "server_label": "s", "tools": TOOLS},
        '{"type":"mcp_list_tools","server_label":"s","tools":' + json.dumps(TOOLS) + "}",
    ),
    "a summary of thoughts that are not there": (
        {"type": "reasoning", "id": LONG_ID, "summary": [{"type": "summary_text", "text": "A" * 7}]},
        "A" * 7,
    ),
}


@shows("estimate-of-text")
@pytest.mark.parametrize("name", RELAYED)
def test_what_only_an_upstream_of_the_responses_api_receives(name: str) -> None:
    item, result = RELAYED[name]
    question = {"role": "user", "content": "Hi"}
    assert cost(question, item) == [1, 0]
    assert cost(question, item, relays=True) == [1, text(len(result))]


def test_a_compaction_that_stays_sealed_costs_nothing() -> None:
    assert cost({"type": "compaction", "encrypted_content": "A" * 700}, relays=True) == [0]


def test_every_part_has_its_cost() -> None:
    assert set(_TEXTS) | set(_MEDIA_TOKENS) >= set(get_args(ContentPart)) - {UnknownPart}


TOOL: Json = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}


@pytest.mark.parametrize("relays", [False, True], ids=["chat", "relayed"])
def test_instructions_and_tools_cost_too(relays: bool) -> None:
    bare = estimate_input(turn(relays=relays))
    assert estimate_input(turn(relays=relays, instructions="A" * 40)) == bare + 10
    assert estimate_input(turn(relays=relays, tools=[TOOL])) >= bare + text(len('lookLooks.{"type":"object"}'))


def test_media_are_seen_wherever_they_are() -> None:
    calls = [call("computer_call", actions=[]), COSTS["a screen"][0]]
    assert has_media(turn(*calls))
    assert has_media(turn(message(FILE)))
    assert not has_media(turn(message({"type": "input_text", "text": "See:"})))


def written(*items: Json) -> Any:
    output = [from_json(item, OutputItem) for item in items]
    return estimate_usage(turn({"role": "user", "content": "Hello?!"}), output)


@shows("estimated-usage", "estimate-of-text")
def test_usage_is_what_was_read_and_what_was_written() -> None:
    usage = written(COSTS["thoughts"][0], COSTS["an answer with logprobs"][0], COSTS["a function call"][0])
    assert usage.input_tokens == 2
    assert usage.output_tokens == 2 + 2 + COSTS["a function call"][1]
    assert usage.output_tokens_details.reasoning_tokens == 2
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.estimated is True


def test_what_a_hosted_call_gave_back_no_model_wrote() -> None:
    usage = written(COSTS["a call of an MCP server"][0])
    assert usage.output_tokens == text(len("s__f{}"))


@pytest.mark.parametrize("name", ["an answer", "thoughts", "a function call", "a custom call", "a shell call"])
def test_what_was_written_costs_the_same_when_it_is_read(name: str) -> None:
    item, tokens = COSTS[name]
    assert written(item).output_tokens == cost(item)[0] == tokens
