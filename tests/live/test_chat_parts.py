"""Content parts in the style of Chat Completions, sent to a chat model and stored."""

from __future__ import annotations

from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support import raw
from support.ignored_headers import post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

Json = dict[str, Any]

TEXT: Json = {"type": "text", "text": "What is this?"}
IMAGE: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
CONTENT: list[Json] = [TEXT, IMAGE]
CALL: Json = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
OUTPUT: Json = {"type": "function_call_output", "call_id": "c1", "output": [{"type": "text", "text": "seen"}]}
NAMED = "input[0].content[0].text=input_text, input[0].content[1].image_url=input_image"


@shows("chat-parts")
@pytest.mark.parametrize("stream", [False, True])
def test_the_model_gets_them_and_the_reply_names_them(
    server: PenstockServer, upstream: ScriptedUpstream, stream: bool
) -> None:
    items = [{"role": "user", "content": CONTENT}, CALL, OUTPUT]
    answer = post(server.url, {"model": "text", "input": items, "stream": stream})
    assert (answer.status, answer.response["status"]) == (200, "completed")
    assert answer.headers["x-penstock-mapped"] == f"{NAMED}, input[2].output[0].text=input_text"
    assert "x-penstock-ignored" not in answer.headers
    user, _, tool = upstream.completion().body["messages"]
    assert user["content"] == CONTENT
    assert tool["content"] == "seen"


def test_nothing_is_named_where_nothing_was_read_so(server: PenstockServer) -> None:
    answer = post(server.url, {"model": "text", "input": [{"role": "user", "content": "Hi"}]})
    assert "x-penstock-mapped" not in answer.headers


@shows("chat-parts")
def test_they_are_stored_as_what_they_mean(start: Start) -> None:
    synthetic = start(PENSTOCK_STORE="memory://")
    read = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": IMAGE["image_url"]["url"], "detail": "low"},
    ]
    made = post(synthetic.url, {"model": "synthetic", "input": [{"role": "user", "content": CONTENT}]}).response
    listed = raw.ask(
        synthetic.url, "GET", f"/responses/{made['id']}/input_items?include[]=message.input_image.image_url"
    )
    assert listed.json()["data"][0]["content"] == read
    message = {"type": "message", "role": "user", "content": CONTENT}
    conversation = raw.post(synthetic.url, {"items": [message]}, "/conversations").json()
    query = "include[]=message.input_image.image_url"
    items = raw.ask(synthetic.url, "GET", f"/conversations/{conversation['id']}/items?{query}").json()
    assert items["data"][0]["content"] == read


HISTORY: list[Json] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hm."}]


@shows("chat-fields", "chat-fields-of-messages")
@pytest.mark.parametrize("stream", [False, True])
def test_calls_in_a_field_of_a_message_are_refused(server: PenstockServer, stream: bool) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    for name, value in (("tool_calls", [call]), ("function_call", call["function"])):
        items = [HISTORY[0], HISTORY[1] | {name: value}, HISTORY[0]]
        for _ in range(2):
            refused = post(server.url, {"model": "text", "input": items, "stream": stream})
            assert (refused.status, refused.error["param"]) == (400, f"input[1].{name}")
            assert "'function_call'" in refused.error["message"]


@shows("chat-fields", "chat-fields-of-messages")
def test_thoughts_in_a_field_of_a_message_are_named(server: PenstockServer) -> None:
    items = [HISTORY[0], HISTORY[1] | {"reasoning_content": "Let me think.", "tool_calls": None}, HISTORY[0]]
    for _ in range(2):
        answer = post(server.url, {"model": "text", "input": items})
        assert answer.headers["x-penstock-ignored"] == "input[1].reasoning_content"


def test_fields_without_content_are_not_named(server: PenstockServer) -> None:
    empty = {"tool_calls": [], "function_call": None, "reasoning_content": "", "internal": {"a": 1}}
    answer = post(server.url, {"model": "text", "input": [HISTORY[0], HISTORY[1] | empty, HISTORY[0]]})
    assert (answer.status, answer.headers.get("x-penstock-ignored")) == (200, None)
