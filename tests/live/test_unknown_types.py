"""What a newer client sends: stored, listed and echoed as sent, left out for a chat model, and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support import raw
from support.ignored_headers import post
from support.scripts import WEATHER
from support.server import PenstockServer
from support.sse import events
from support.upstream import ScriptedUpstream

Json = dict[str, Any]

NEW_ITEM: Json = {"type": "mood", "mood": {"calm": 0.5, "type": None}, "status": "felt"}
QUESTION: Json = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "Hello?", "tone": "kind"}],
    "channel": {"id": 1},
}
THOUGHT: Json = {
    "type": "reasoning",
    "summary": [{"type": "summary_sketch", "lines": [[0, 1]]}],
    "content": [{"type": "reasoning_text", "text": "Hm.", "weight": 2}],
    "origin": None,
}
NEW_TOOL: Json = {"type": "smell", "range_m": 3}
TOOLS: list[Json] = [WEATHER | {"price": [1, 2]}, NEW_TOOL]
REQUEST: Json = {
    "model": "text",
    "input": [NEW_ITEM, THOUGHT, QUESTION],
    "tools": TOOLS,
    "reasoning": {"effort": "low", "depth": 3},
    "text": {"verbosity": "low", "accent": "none"},
}
SECRET = "tok-1"
IGNORED = ["input[0].mood", "input[1].summary[0].summary_sketch", "tools.smell"]


@pytest.fixture(params=["memory", "sqlite"])
def keeping(
    start: Start, upstream: ScriptedUpstream, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> PenstockServer:
    """A server with a store, one for all tests here."""
    path: Path = tmp_path_factory.getbasetemp() / "other_schema.db"
    store = "memory://" if request.param == "memory" else f"sqlite:///{path}"
    return start("--upstream", upstream.url, PENSTOCK_STORE=store)


def create(server: PenstockServer, **fields: Any) -> tuple[Json, list[str]]:
    """The Response, and what was reported as left out. The oracle is not asked: it knows no unknown types."""
    answer = raw.post(server.url, REQUEST | fields)
    assert answer.status == 200, answer.body
    result = answer.headers.get("x-penstock-ignored", "").split(", ")
    return events(answer.body)[-1]["response"] if fields.get("stream") else answer.json(), result


def get(server: PenstockServer, path: str) -> Any:
    answer = raw.ask(server.url, "GET", path)
    assert answer.status == 200, answer.body
    return answer.json()


def is_within(sent: Json, got: Json) -> bool:
    """Whether everything of an item is there; ids and defaults may be there too."""
    return all(got.get(key) == value for key, value in sent.items())


@shows("later-types")
@pytest.mark.parametrize("stream", [False, True])
def test_unknown_items_are_echoed_and_listed_as_they_were_sent(keeping: PenstockServer, stream: bool) -> None:
    response, reply = create(keeping, stream=stream)
    assert (response["status"], reply) == ("completed", IGNORED)
    for one in (response, get(keeping, f"/responses/{response['id']}")):
        assert one["tools"] == TOOLS
        assert one["reasoning"] == {"effort": "low", "depth": 3, "summary": None}
        assert one["text"] == {"format": {"type": "text"}, "verbosity": "low", "accent": "none"}
    items = get(keeping, f"/responses/{response['id']}/input_items?order=asc")["data"]
    assert [is_within(sent, got) for sent, got in zip(REQUEST["input"], items, strict=True)] == [True] * 3
    assert all(item["id"] for item in items)


@shows("redacted")
def test_the_secrets_of_a_tool_are_hidden(keeping: PenstockServer) -> None:
    """Not even of one that is unknown here."""
    response, _ = create(keeping, tools=[NEW_TOOL | {"authorization": SECRET, "headers": {"x-key": SECRET}}])
    redacted = NEW_TOOL | {"authorization": "<redacted>", "headers": "<redacted>"}
    assert response["tools"] == get(keeping, f"/responses/{response['id']}")["tools"] == [redacted]
    assert SECRET not in keeping.log


@shows("later-types")
def test_the_chat_model_gets_the_rest(keeping: PenstockServer, upstream: ScriptedUpstream) -> None:
    create(keeping)
    body = upstream.completion().body
    assert body["messages"] == [{"role": "user", "content": "Hello?"}]
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]


@shows("later-types")
def test_a_chain_with_unknown_items_continues(keeping: PenstockServer, upstream: ScriptedUpstream) -> None:
    first, _ = create(keeping)
    second, reply = create(keeping, input="And?", tools=[], previous_response_id=first["id"])
    assert reply == ["context.mood", "context.summary_sketch"]
    text = [message["content"] for message in upstream.completions[-1].body["messages"]]
    assert text == ["Hello?", "Hello, world", "And?"]
    items = get(keeping, f"/responses/{second['id']}/input_items?order=asc")["data"]
    assert is_within(NEW_ITEM, items[0])


def test_a_conversation_stores_unknown_items(keeping: PenstockServer, upstream: ScriptedUpstream) -> None:
    made = raw.post(keeping.url, {"items": [NEW_ITEM]}, "/conversations").json()
    path = f"/conversations/{made['id']}/items"
    raw.post(keeping.url, {"items": [QUESTION]}, path)
    response, _ = create(keeping, input=[NEW_ITEM], conversation=made["id"])
    items = get(keeping, f"{path}?order=asc")["data"]
    sent = [NEW_ITEM, QUESTION, NEW_ITEM]
    assert [is_within(one, got) for one, got in zip(sent, items, strict=False)] == [True] * 3
    assert items[3]["id"] == response["output"][0]["id"]
    assert get(keeping, f"{path}/{items[0]['id']}") == items[0]
    assert [message["content"] for message in upstream.completion().body["messages"]] == ["Hello?"]


def test_a_background_response_stores_unknown_items(keeping: PenstockServer) -> None:
    response, reply = create(keeping, background=True, stream=True)
    assert (response["status"], response["tools"], reply) == ("completed", TOOLS, IGNORED)
    answer = raw.ask(keeping.url, "GET", f"/responses/{response['id']}?stream=true")
    assert [event["response"]["tools"] for event in events(answer.body) if "response" in event] == [TOOLS] * 4


@shows("later-types")
def test_unknown_items_may_be_rejected(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_UNKNOWN_PARAMETERS="reject", PENSTOCK_ABSENT_TOOLS="reject")
    for items, param in (
        ([QUESTION, THOUGHT], "input[1].summary[0].type"),
        ([NEW_ITEM, QUESTION], "input[0].type"),
    ):
        reply = post(server.url, {"model": "text", "input": items})
        assert (reply.status, reply.error["param"], reply.error["code"]) == (400, param, "invalid_value")
    reply = post(server.url, {"model": "text", "input": "Hello?", "tools": [NEW_TOOL]})
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, "tools[0].type", "unsupported_tool")
    assert not upstream.requests


def test_the_built_in_model_reads_the_rest(synthetic: PenstockServer) -> None:
    answer = raw.post(synthetic.url, {"model": "synthetic", "input": [NEW_ITEM, THOUGHT, QUESTION]})
    assert (answer.status, answer.json()["status"]) == (200, "completed")
