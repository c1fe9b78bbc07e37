"""Replies that are no stream: JSON, errors, paths, cookies, and bodies that are no text."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from conformance.hosts.kit import BINARY, JSON_HEADERS, Call, Host, get, post
from conformance.hosts.table import names
from requirements import shows
from support import oracle
from support.upstream import ScriptedUpstream

pytestmark = pytest.mark.slow
CHAT = "/v1/chat/completions"


@shows("any-host")
def test_json(host: Host, upstream: ScriptedUpstream) -> None:
    for prefix in host.prefixes:
        answer = host.ask(post(prefix=prefix, model="text", input="Grüße 你好 😀"))
        assert (answer.status, answer.is_whole) == (200, True)
        assert answer.header("content-type") == "application/json"
        assert answer.header("x-request-id")
        assert oracle.check_response(answer.json)["status"] == "completed"
        assert upstream.completion().body["messages"][-1]["content"] == "Grüße 你好 😀"
        upstream.forget()


def test_a_list(host: Host, upstream: ScriptedUpstream) -> None:
    for prefix in host.prefixes:
        answer = host.ask(get(f"{prefix}/v1/models"))
        assert answer.status == 200
        assert "text" in {model["id"] for model in answer.json["data"]}


def test_paths_and_queries_arrive_decoded_once(host: Host, upstream: ScriptedUpstream) -> None:
    (prefix, *_) = host.prefixes
    answer = host.ask(replace(get(f"{prefix}/v1/models/Grüße%2F 你好"), query="limit=1&after=a%26b"))
    assert answer.code == (404, "model_not_found")
    assert "Grüße%2F 你好" in answer.json["error"]["message"]


def test_a_head_has_no_body(host: Host, upstream: ScriptedUpstream) -> None:
    answer = host.ask(replace(get(f"{host.prefixes[0]}/v1/models"), method="HEAD"))
    assert (answer.status, answer.body) == (200, b"")


ERRORS = {
    "no key": (replace(post(model="text", input="Hi"), headers=JSON_HEADERS[:1]), 401, "invalid_api_key"),
    "no such path": (get("/v1/nowhere"), 404, "unknown_url"),
    "another method": (Call("DELETE", "/v1/models"), 405, "method_not_allowed"),
    "no JSON": (Call("POST", "/v1/responses", b"{"), 400, None),
    "no text": (Call("POST", "/v1/responses", b'{"input": "\xff\xfe"}'), 400, None),
    "a wrong type": (replace(post(model="text"), headers=(("content-type", "text/plain"), JSON_HEADERS[1])), 415, None),
    "an upstream that refuses": (post(model="rate_limited", input="Hi", stream=True), 429, "rate_limit_exceeded"),
    "an upstream that fails": (post(model="html_as_200", input="Hi", stream=True), 502, None),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_before_the_first_byte_has_its_status(host: Host, upstream: ScriptedUpstream, name: str) -> None:
    call, status, code = ERRORS[name]
    answer = host.ask(replace(call, path=host.prefixes[0] + call.path))
    error = oracle.check_error(answer.json)
    assert answer.status == status
    assert answer.header("content-type") == "application/json"
    assert code in (None, error["code"])


def test_what_is_wrong_is_named(host: Host, upstream: ScriptedUpstream) -> None:
    answer = host.ask(post(prefix=host.prefixes[0], model="text", input="Hi", temperature="hot"))
    assert (answer.status, answer.json["error"]["param"]) == (400, "temperature")


def test_cookies_are_the_hosts(host: Host, upstream: ScriptedUpstream) -> None:
    """Hosts and proxies set cookies of their own. The app passes none on, in either direction."""
    call = post(CHAT, prefix=host.prefixes[0], model="with_cookies", messages=[])
    answer = host.ask(replace(call, headers=(*JSON_HEADERS, ("cookie", "stick=1; b=2"), ("cookie", "c=3"))))
    assert (answer.status, answer.json) == (200, {"a": 1})
    assert answer.header("set-cookie") is None
    assert "cookie" not in upstream.completion().headers


def test_a_binary_body_arrives_as_it_is(host: Host, upstream: ScriptedUpstream) -> None:
    packed = gzip.compress(json.dumps({"model": "text", "input": "Packed"}).encode())
    headers = (*JSON_HEADERS, ("content-encoding", "gzip"))
    answer = host.ask(Call("POST", f"{host.prefixes[0]}/v1/responses", packed, headers))
    assert answer.status == 200
    assert upstream.completion().body["messages"][-1]["content"] == "Packed"


def test_a_binary_reply_leaves_as_it_is(host: Host, upstream: ScriptedUpstream) -> None:
    answer = host.ask(post(CHAT, prefix=host.prefixes[0], model="binary", messages=[], stream=True))
    assert (answer.status, answer.body, answer.is_whole) == (200, BINARY, True)


@pytest.mark.parametrize("host", names(lambda host: host.is_function), indirect=True)
def test_nothing_runs_after_the_reply_of_a_function(host: Host, upstream: ScriptedUpstream) -> None:
    answer = host.ask(post(prefix=host.prefixes[0], model="text", input="Hi", background=True))
    assert (answer.status, answer.json["error"]["param"]) == (400, "background")
