"""Streams: their order, when their pieces come, and how they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.hosts.kit import PAUSE_S, Answer, Call, Host, post
from conformance.hosts.table import names
from requirements import shows
from support import oracle, sse
from support.upstream import ScriptedUpstream

pytestmark = pytest.mark.slow
CHAT = "/v1/chat/completions"
LATE_S = 1.0
"""How much later than in time an answer may come from a busy machine, where no host ends it."""


def create(host: Host, model: str, *, stream: bool = True) -> Call:
    return post(prefix=host.prefixes[0], model=model, input="Hello?", stream=stream)


def relay(host: Host, model: str) -> Call:
    return post(CHAT, prefix=host.prefixes[0], model=model, messages=[], stream=True)


@shows("any-host")
def test_events_come_in_order(host: Host, upstream: ScriptedUpstream) -> None:
    answer = host.ask(create(host, "paused"))
    assert (answer.status, answer.is_whole) == (200, True)
    assert (answer.header("content-type") or "").startswith("text/event-stream")
    events = sse.events(answer.body)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert oracle.check_stream(events)["status"] == "completed"


@pytest.mark.parametrize("host", names(lambda host: host.streams), indirect=True)
def test_events_come_when_they_are_there(host: Host, upstream: ScriptedUpstream) -> None:
    answer = host.ask(create(host, "paused"))
    assert answer.took_s(b'"delta":"One', b"response.completed") > PAUSE_S / 2


def test_an_error_after_the_first_byte_is_the_last_event(host: Host, upstream: ScriptedUpstream) -> None:
    answer = host.ask(create(host, "cut"))
    assert (answer.status, answer.is_whole) == (200, True)
    response = oracle.check_stream(sse.events(answer.body))
    assert (response["status"], response["output"][0]["content"][0]["text"]) == ("failed", "Hello, world")


@shows("cut-relays")
def test_a_relay_that_is_cut_looks_so(host: Host, upstream: ScriptedUpstream) -> None:
    answer = host.ask(relay(host, "cut"))
    if host.is_buffered:
        assert answer.status == 502
        assert "cut" in answer.json["error"]["message"]
    else:
        assert (answer.status, answer.is_whole) == (200, not host.shows_cuts)
        assert b"world" in answer.body or not answer.pieces


@pytest.mark.parametrize("host", names(lambda host: host.sees_disconnects), indirect=True)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
def test_a_client_that_leaves_ends_the_upstreams_call(host: Host, upstream: ScriptedUpstream, stream: bool) -> None:
    """Where a host does not report it, the deadline ends it: see below."""
    left = time.monotonic()
    host.leave(create(host, "hang_midway" if stream else "hang", stream=stream), upstream.completion)
    assert upstream.completion().wait_left() - left < host.request_s * 0.7


@shows("request-deadline")
def test_a_request_has_its_end_before_its_host_ends_it(host: Host, upstream: ScriptedUpstream) -> None:
    calls = [create(host, "hang_midway"), create(host, "hang", stream=False)]
    with ThreadPoolExecutor(len(calls) if host.many_at_once else 1) as pool:
        (stream, stream_s), (whole, whole_s) = pool.map(lambda call: timed(lambda: host.ask(call)), calls)
    response = oracle.check_stream(sse.events(stream.body))
    assert (response["status"], response["output"][0]["content"][0]["text"]) == ("incomplete", "Hello, world")
    assert whole.code == (504, "deadline_exceeded")
    assert host.request_s / 2 < min(stream_s, whole_s) <= max(stream_s, whole_s) < host.request_s + LATE_S
    for number in range(2):
        upstream.completion(number).wait_left(host.request_s)


def timed(ask: Callable[[], Answer]) -> tuple[Answer, float]:
    begin = time.monotonic()
    return ask(), time.monotonic() - begin


def test_several_at_once(host: Host, upstream: ScriptedUpstream) -> None:
    """Each gets its own, and none waits for another where the host has many at once."""
    count = 6 if host.many_at_once else 2
    with ThreadPoolExecutor(count if host.many_at_once else 1) as pool:
        began = time.monotonic()
        answers = list(pool.map(host.ask, [create(host, "paused")] * count))
        took_s = time.monotonic() - began
    assert len({oracle.check_stream(sse.events(answer.body))["id"] for answer in answers}) == count
    assert not host.many_at_once or took_s < count * PAUSE_S
