"""A client's trace and its id of the request, as the upstream receives them."""

from __future__ import annotations

import re

import httpx2
import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=1", "x-request-id": "mine-7"}
CHILD = re.compile(rf"00-{TRACE}-(?!{PARENT})[0-9a-f]{{16}}-01")
ASKS = {
    "/responses": {"model": "text", "input": "Hi"},
    "/chat/completions": {"model": "text", "messages": [{"role": "user", "content": "Hi"}]},
}


@shows("trace-context")
@pytest.mark.parametrize("path", ASKS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_trace_goes_on_in_the_upstream(
    server: PenstockServer, upstream: ScriptedUpstream, path: str, stream: bool
) -> None:
    known = len(server.lines)
    body = ASKS[path] | {"stream": stream}
    if path == "/responses":
        assert post(server.url, body, path, **HEADERS).headers["x-request-id"] == "mine-7"
    else:
        _relay(server, path, body)
    [asked] = upstream.requests
    assert CHILD.fullmatch(asked.headers["traceparent"])
    assert (asked.headers["tracestate"], asked.headers["x-request-id"]) == ("a=1", "mine-7")
    assert until(lambda: f"trace_id={TRACE}" in "".join(server.lines[known:]))


def _relay(server: PenstockServer, path: str, body: object) -> None:
    reply = httpx2.post(f"{server.url}{path}", json=body, headers=HEADERS, timeout=60)
    assert (reply.status_code, reply.headers["x-request-id"]) == (200, "mine-7")


def test_each_attempt_is_a_span_of_its_own(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_RETRIES_MAX="1")
    post(server.url, {"model": "flaky", "input": "Hi"}, **HEADERS)
    spans = [asked.headers["traceparent"] for asked in upstream.requests]
    assert len(spans) == len(set(spans)) == 2


def test_without_such_headers_the_upstream_gets_none(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = post(server.url, {"model": "text", "input": "Hi"}, traceparent="00-0-0-0")
    [asked] = upstream.requests
    assert reply.headers["x-request-id"].startswith("req_")
    assert asked.headers.keys().isdisjoint(HEADERS)


def test_a_background_run_has_the_trace_too(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_STORE="memory://")
    post(server.url, {"model": "text", "input": "Hi", "background": True}, **HEADERS)
    assert until(lambda: len(upstream.requests) == 1)
    assert CHILD.fullmatch(upstream.requests[0].headers["traceparent"])


def test_configured_headers_are_not_replaced(start: Start, upstream: ScriptedUpstream) -> None:
    toml = f'[[upstreams]]\nname = "u"\nurl = "{upstream.url}"\n[upstreams.headers]\n"x-request-id" = "ours"\n'
    server = start(toml=toml)
    post(server.url, {"model": "text", "input": "Hi"}, **HEADERS)
    [asked] = upstream.requests
    assert asked.headers["x-request-id"] == "ours"
    assert CHILD.fullmatch(asked.headers["traceparent"])
