"""Upstreams that fail: what the client's exception or last event contains, and how often the upstream was asked."""

from __future__ import annotations

import socket
from typing import Any

import openai
import pytest

from live.conftest import Start
from requirements import shows
from support.caller import Caller
from support.ignored_headers import ask as send_request
from support.ignored_headers import post
from support.scripts import BUSY, EXPECT_HELLO, HELLO_TURN, SCRIPTS, refusal
from support.server import PenstockServer
from support.steps import Expect, Fail, Reply, Script, Sleep
from support.upstream import ScriptedUpstream

ATTEMPTS = 3
"""The first one and `retries_max`."""
ATTEMPTED = {"server_error": ATTEMPTS, "html_error": ATTEMPTS}
MANNERS = {"create": False, "events": True}


@shows("early-errors")
@pytest.mark.parametrize("manner", MANNERS)
def test_too_many_requests(caller: Caller, manner: str) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        getattr(caller, manner)(model="rate_limited", input="Hello?")
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("7", "7000")
    assert "x-should-retry" not in headers
    assert caught.value.code == "rate_limit_exceeded"
    assert caller.last.error["message"].endswith("Please try again in 7s.")


@pytest.mark.parametrize(
    ("headers", "after", "after_ms", "end"),
    [
        ({"retry_after": "7"}, "7", "7000", "in 7s."),
        ({"retry_after": "1.9"}, "2", "1900", "in 1.9s."),
        ({"retry_after_ms": "250", "retry_after": "9"}, "1", "250", "in 0.25s."),
        ({"retry_after": "never"}, "1", "1000", "in 1s."),
        ({}, "1", "1000", "in 1s."),
    ],
)
def test_how_long_to_wait(
    server: PenstockServer, upstream: ScriptedUpstream, headers: dict[str, str], after: str, after_ms: str, end: str
) -> None:
    busy = refusal(429, "rate_limit_error", "Slow down.", "rate_limit_exceeded", **headers)
    model = upstream.add("busy", Script((busy,), Expect(http=429)))
    reply = post(server.url, {"model": model, "input": "Hello?"})
    assert (reply.status, reply.headers["retry-after"], reply.headers["retry-after-ms"]) == (429, after, after_ms)
    assert reply.error["message"] == f"Slow down. Please try again {end}"
    assert len(upstream.completions) == 1


@shows("retries")
@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("model", ["server_error", "html_error", "html_as_200", "error_as_200"])
def test_the_upstreams_own_fault(caller: Caller, upstream: ScriptedUpstream, model: str, manner: str) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        getattr(caller, manner)(model=model, input="Hello?")
    assert (caught.value.status_code, caught.value.code) == (502, "server_error")
    assert "<html" not in caller.last.error["message"]
    assert len(upstream.completions) == ATTEMPTED.get(model, 1)


@pytest.mark.parametrize("manner", MANNERS)
def test_the_upstreams_error_as_the_client_sees_it(caller: Caller, upstream: ScriptedUpstream, manner: str) -> None:
    for model, code, param in [("bad_request", None, None), ("too_long", "context_length_exceeded", "input")]:
        with pytest.raises(openai.BadRequestError) as caught:
            getattr(caller, manner)(model=model, input="Hello?")
        assert (caught.value.code, caught.value.param) == (code, param)
        assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(upstream.completions) == 2


@shows("retries")
@pytest.mark.parametrize("manner", MANNERS)
def test_a_fault_that_passes_is_never_seen(caller: Caller, upstream: ScriptedUpstream, manner: str) -> None:
    getattr(caller, manner)(model="flaky", input="Hello?")
    assert caller.last.response["status"] == "completed"
    assert len(upstream.completions) == ATTEMPTS


def test_a_port_without_a_server(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    server = start("--upstream", f"http://127.0.0.1:{port}/v1")
    for stream in (False, True):
        reply = post(server.url, {"model": "any", "input": "Hello?", "stream": stream})
        assert reply.status == 502
        assert str(port) not in reply.error["message"]
    assert send_request(server.url, "GET", "/models").status == 502


@shows("one-end", "early-errors")
@pytest.mark.parametrize("model", ["cut", "cut_by_close", "cut_in_event", "cut_in_call", "error_midway"])
def test_a_stream_that_breaks_fails_once(caller: Caller, upstream: ScriptedUpstream, model: str) -> None:
    events = caller.events(model=model, input="Hello?", **SCRIPTS[model].ask)
    assert [event.type for event in events].count("response.failed") == 1
    failed = events[-1].response
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    assert [item.status for item in failed.output] == ["incomplete"]
    assert len(upstream.completions) == 1


@shows("retries")
def test_nothing_is_tried_again_once_something_came(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    post(server.url, {"model": "cut", "input": "Hello?", "stream": False})
    assert len(upstream.completions) == 1


def late(*steps: Any) -> Script:
    """It takes its time before it answers at all."""
    return Script((Sleep(0.3), *steps), EXPECT_HELLO)


@shows("late-errors", "slow-heads")
def test_an_error_after_the_stream_began_is_a_failure(start: Start, upstream: ScriptedUpstream) -> None:
    """The same error has two faces: a status, and `response.failed`."""
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_HEAD_WAIT_S="0.05")
    codes = {"rate_limited": "rate_limit_exceeded", "unauthorized": "server_error", "bad_request": "invalid_prompt"}
    for name, code in codes.items():
        [reply] = SCRIPTS[name].steps
        assert isinstance(reply, Reply)
        model = upstream.add(f"late {name}", late(reply))
        whole = post(server.url, {"model": model, "input": "Hello?"})
        streamed = post(server.url, {"model": model, "input": "Hello?", "stream": True})
        assert (whole.status, streamed.status) == (SCRIPTS[name].expect.http, 200)
        assert streamed.names == ["created", "in_progress", "failed"]
        assert streamed.response["error"] == {"code": code, "message": whole.error["message"]}


def test_a_late_fault_that_passes_is_never_seen(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_HEAD_WAIT_S="0.05")
    model = upstream.add("late flaky", late(Fail(2, BUSY), *HELLO_TURN))
    streamed = post(server.url, {"model": model, "input": "Hello?", "stream": True})
    assert streamed.response["status"] == "completed"
    assert len(upstream.completions) == ATTEMPTS


def test_more_than_the_limits_allow(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_OUTPUT_BYTES_MAX="8")
    whole = post(server.url, {"model": "text", "input": "Hello?"})
    streamed = post(server.url, {"model": "text", "input": "Hello?", "stream": True})
    assert streamed.response["error"]["code"] == "server_error"
    assert (whole.status, whole.error["message"]) == (502, streamed.response["error"]["message"])


def test_a_reply_too_large_to_be_held(server: PenstockServer) -> None:
    reply = post(server.url, {"model": "flood", "input": "Hello?"})
    assert (reply.status, reply.error["code"]) == (502, "server_error")
