"""Counting tokens without running: with the `openai` package, by every kind of upstream."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import ask, post
from support.scripts import LOGPROBS, ROLE, WEATHER, chunk
from support.server import PenstockServer
from support.steps import Expect, Script, Send
from support.upstream import ScriptedUpstream

TOML = '[[upstreams]]\nname = "one"\nurl = "{url}"\noptions = {{ tokenizer = "{tokenizer}" }}\n'
PATH = "/responses/input_tokens"

REQUESTS: dict[str, dict[str, Any]] = {
    "text": {"input": "Say hello to the river."},
    "instructions": {"input": "Hello?", "instructions": "Be brief, and be kind."},
    "tools": {"input": "Hello?", "tools": [WEATHER]},
    "an image": {
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}]
    },
    "a schema": {
        "input": "A city, please.",
        "text": {"format": {"type": "json_schema", "name": "city", "schema": {"type": "object"}}},
    },
}


def client(server: PenstockServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key="unused", max_retries=0)


@pytest.mark.parametrize("request_fields", REQUESTS.values(), ids=REQUESTS)
def test_the_synthetic_model_reports_what_its_usage_will_be(
    synthetic: PenstockServer, request_fields: dict[str, Any]
) -> None:
    with client(synthetic) as caller:
        counted = caller.responses.input_tokens.count(model="synthetic", **request_fields)
        response = caller.responses.create(model="synthetic", **request_fields)
    assert counted.object == "response.input_tokens"
    assert response.usage is not None
    assert counted.input_tokens == response.usage.input_tokens
    assert "estimated" not in (counted.model_extra or {})


@shows("input-tokens")
def test_what_a_request_refers_to_is_counted_too(start: Start) -> None:
    with client(start(PENSTOCK_STORE="memory://")) as caller:
        talk = caller.conversations.create(items=[{"type": "message", "role": "user", "content": "I am Ada."}])
        first = caller.responses.create(model="synthetic", input="Say hello.", conversation=talk.id)
        for fields in ({"previous_response_id": first.id}, {"conversation": talk.id}):
            counted = caller.responses.input_tokens.count(model="synthetic", input="And again?", **fields)
            response = caller.responses.create(model="synthetic", input="And again?", **fields)
            assert response.usage is not None
            assert counted.input_tokens == response.usage.input_tokens


def test_counting_stores_and_locks_nothing(start: Start) -> None:
    with client(start(PENSTOCK_STORE="memory://")) as caller:
        talk = caller.conversations.create()
        for _ in range(3):
            caller.responses.input_tokens.count(model="synthetic", input="Hello?", conversation=talk.id)
        assert caller.conversations.items.list(talk.id).data == []


@shows("input-tokens")
@pytest.mark.parametrize(
    ("tokenizer", "routes"), [("vllm", ["/tokenize"]), ("llama.cpp", ["/apply-template", "/tokenize"])]
)
def test_the_upstreams_tokenizer_counts(
    start: Start, upstream: ScriptedUpstream, tokenizer: str, routes: list[str]
) -> None:
    """Every word is a token to the scripted one, and a role is one too."""
    server = start(toml=TOML.format(url=upstream.url, tokenizer=tokenizer))
    reply = post(server.url, {"model": "text", "instructions": "Be brief.", "input": "One two three?"}, PATH)
    assert (reply.status, reply.body) == (200, {"object": "response.input_tokens", "input_tokens": 7})
    assert [one.path for one in upstream.requests] == routes


@shows("input-tokens")
def test_without_one_it_is_estimated_and_marked(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = post(server.url, {"model": "text", "input": "A sentence of some words."}, PATH)
    assert reply.body["estimated"] is True
    assert 5 <= reply.body["input_tokens"] <= 40
    assert not upstream.requests


@shows("estimate-of-text", "estimated-usage")
def test_an_answer_costs_the_same_with_its_logprobs(start: Start, upstream: ScriptedUpstream) -> None:
    """Seven bytes are two tokens, when they are written and when they are read in the next turn."""
    server = start("--upstream", upstream.url, "--store", "memory://")
    for logprobs in ([], LOGPROBS):
        steps = (Send(ROLE, chunk({"content": "Bonjour"}, logprobs={"content": logprobs}), chunk({}, "stop")),)
        model = upstream.add(f"seven bytes, {len(logprobs)} logprobs", Script(steps, Expect()))
        first = post(server.url, {"model": model, "input": "Hello?!"}).response
        assert len(first["output"][0]["content"][0]["logprobs"]) == len(logprobs)
        assert (first["usage"]["input_tokens"], first["usage"]["output_tokens"]) == (2, 2)
        further = {"model": model, "input": "Again!", "previous_response_id": first["id"]}
        assert post(server.url, further, PATH).body["input_tokens"] == 2 + 2 + 2
        second = post(server.url, further).response
        assert second["usage"]["input_tokens"] == 2 + 2 + 2


@shows("tokenizer-routes")
@pytest.mark.parametrize("tokenizer", ["vllm", "llama.cpp"])
def test_a_tokenizer_that_is_not_there(start: Start, upstream: ScriptedUpstream, tokenizer: str) -> None:
    """The estimate takes its place, marked as ever."""
    server = start(toml=TOML.format(url=f"{upstream.url}/deep", tokenizer=tokenizer))
    request = {"model": "text", "input": "Hello?"}
    reply = post(server.url, request, PATH)
    assert (reply.status, reply.body["estimated"]) == (200, True)
    estimated = start("--upstream", upstream.url)
    assert reply.body["input_tokens"] == post(estimated.url, request, PATH).body["input_tokens"]


def test_its_mistakes_are_those_of_a_request(server: PenstockServer) -> None:
    for fields, param in [({}, "input"), ({"input": 5}, "input"), ({"input": "x", "temperature": 9}, "temperature")]:
        reply = post(server.url, {"model": "text", **fields}, PATH)
        assert (reply.status, reply.error["param"]) == (400, param)
    reply = post(server.url, {"model": "text", "input": "x", "previous_response_id": "resp_none"}, PATH)
    assert (reply.status, reply.error["param"]) == (400, "previous_response_id")
    assert (
        post(server.url, {"model": "text", "input": "x", "banana": 1}, PATH).headers["x-penstock-ignored"] == "banana"
    )
    assert ask(server.url, "GET", PATH).status == 405
