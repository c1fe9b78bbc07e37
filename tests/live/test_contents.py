"""What contents may hold, both ways: images, files, audio, thoughts, refusals, logprobs, annotations."""

from __future__ import annotations

from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support.caller import Caller
from support.ignored_headers import post, texts
from support.scripts import CITATION, LOGPROBS
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

DATA = "data:image/png;base64,AAAA"
URL = "https://example.com/a.png"
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "image by data": (
        {"type": "input_image", "image_url": DATA, "detail": "auto"},
        {"type": "image_url", "image_url": {"url": DATA}},
    ),
    "image by url": (
        {"type": "input_image", "image_url": URL, "detail": "high"},
        {"type": "image_url", "image_url": {"url": URL, "detail": "high"}},
    ),
    "file by data": (
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
    ),
    "file by id": (
        {"type": "input_file", "file_id": "file-1"},
        {"type": "file", "file": {"file_id": "file-1"}},
    ),
    "audio": (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_message(caller: Caller, upstream: ScriptedUpstream, name: str) -> None:
    part, sent = PARTS[name]
    content = [{"type": "input_text", "text": "Look:"}, part]
    caller.create(model="text", input=[{"role": "user", "content": content}])
    [message] = upstream.completion().body["messages"]
    assert message == {"role": "user", "content": [{"type": "text", "text": "Look:"}, sent]}


@shows("reasoning-events", "thoughts")
@pytest.mark.parametrize("model", ["reasoning_content", "reasoning", "reasoning_details"])
def test_thoughts_are_an_item(caller: Caller, model: str) -> None:
    events = caller.events(model=model, input="Think.")
    thoughts = [event.delta for event in events if event.type == "response.reasoning_text.delta"]
    assert thoughts == ["Let me ", "think."]
    reasoning, message = events[-1].response.output
    assert (reasoning.type, reasoning.summary, message.type) == ("reasoning", [], "message")


@shows("thoughts")
def test_thoughts_are_their_own_summary_when_asked_for(caller: Caller) -> None:
    events = caller.events(model="reasoning", input="Think.", reasoning={"effort": "low", "summary": "auto"})
    summary = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert summary == ["Let me ", "think."]
    assert events[-1].response.output[0].summary[0].text == "Let me think."
    assert caller.last.response["reasoning"] == {"effort": "low", "summary": "auto"}


def test_effort_is_passed_on(caller: Caller, upstream: ScriptedUpstream) -> None:
    caller.create(model="reasoning", input="Think.", reasoning={"effort": "high"})
    assert upstream.completion().body["reasoning_effort"] == "high"


REASONER = """
[[upstreams]]
name = "{field}"
url = "{url}"
aliases = {{ "by {field}" = "text" }}
options.reasoning_field = "{field}"
"""


def test_thoughts_go_back_where_the_upstream_looks_for_them(
    start: Start, server: PenstockServer, upstream: ScriptedUpstream
) -> None:
    first = post(server.url, {"model": "reasoning", "input": "Think."}).response
    question = {"role": "user", "content": "And then?"}
    fields = ["reasoning_content", "reasoning", "none"]
    server = start(toml="".join(REASONER.format(field=field, url=upstream.url) for field in fields))
    for number, field in enumerate(fields, 1):
        post(server.url, {"model": f"by {field}", "input": [*first["output"], question]})
        assistant, asked = upstream.completion(number).body["messages"]
        thoughts = {} if field == "none" else {field: "Let me think."}
        assert assistant == {"role": "assistant", "content": "Hello, world", **thoughts}
        assert asked == question


def test_a_refusal(caller: Caller) -> None:
    events = caller.events(model="refusal", input="Hello?")
    assert [event.delta for event in events if event.type == "response.refusal.delta"] == ["I can", "not."]
    [part] = events[-1].response.output[0].content
    assert (part.type, part.refusal) == ("refusal", "I cannot.")


def test_a_refusal_is_sent_back_as_text(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    first = post(server.url, {"model": "refusal", "input": "Hello?"}).response
    post(server.url, {"model": "text", "input": [*first["output"], {"role": "user", "content": "Why?"}]})
    assert upstream.completion(1).body["messages"][0] == {"role": "assistant", "content": "I cannot."}


def test_logprobs(caller: Caller, upstream: ScriptedUpstream) -> None:
    ask: dict[str, Any] = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    events = caller.events(model="logprobs", input="Hello?", **ask)
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert [[one.token for one in event.logprobs] for event in deltas] == [["Hel"], ["lo"]]
    assert caller.last.response["output"][0]["content"][0]["logprobs"] == LOGPROBS
    asked = upstream.completion().body
    assert (asked["logprobs"], asked["top_logprobs"]) == (True, 1)


def test_annotations(caller: Caller) -> None:
    events = caller.events(model="annotations", input="Hello?")
    [added] = [event for event in events if event.type == "response.output_text.annotation.added"]
    assert added.annotation_index == 0
    citation = {"type": "url_citation", **CITATION["url_citation"]}
    assert caller.last.response["output"][0]["content"][0]["annotations"] == [citation]
    assert caller.create(model="annotations", input="Hello?").output[0].content[0].annotations[0].title == "A"


def test_instructions_and_roles(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    items = [
        {"role": "system", "content": "One."},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Two."}]},
        {"role": "user", "content": "Three."},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Four.", "annotations": []}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Five."}]},
    ]
    reply = post(server.url, {"model": "text", "input": items, "instructions": "Zero."})
    assert texts(reply.response, "message", "output_text") == "Hello, world"
    assert upstream.completion().body["messages"] == [
        {"role": "system", "content": "Zero.\n\nOne.\n\nTwo."},
        {"role": "user", "content": "Three."},
        {"role": "assistant", "content": "Four."},
        {"role": "user", "content": "Five."},
    ]
