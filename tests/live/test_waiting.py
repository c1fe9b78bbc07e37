"""Upstreams that let a client wait: heartbeats, beginnings without them, and the end of patience."""

from __future__ import annotations

import time

import pytest

from live.conftest import Start
from requirements import shows
from support import sse
from support.caller import CALLERS
from support.ignored_headers import judged, post
from support.raw import Connection
from support.scripts import EXPECT_HELLO, HELLO, HELLO_TURN, OWN_USAGE, ROLE, chunk
from support.server import PenstockServer
from support.steps import Script, Send, Sleep
from support.upstream import ScriptedUpstream

IDLE_S = 1.0
HEARTBEAT_S = 0.2


@pytest.fixture
def impatient(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    limits = {"IDLE_S": IDLE_S, "TOTAL_S": 2, "HEAD_WAIT_S": 0.1, "HEARTBEAT_S": HEARTBEAT_S}
    env = {f"PENSTOCK_LIMITS_{name}": str(value) for name, value in limits.items()}
    return start("--upstream", upstream.url, **env)


@pytest.mark.parametrize("kind", CALLERS)
@pytest.mark.parametrize("model", ["hang", "hang_midway"])
def test_an_upstream_that_hangs_is_left(
    impatient: PenstockServer, upstream: ScriptedUpstream, model: str, kind: str
) -> None:
    with CALLERS[kind](impatient.url) as caller:
        began = time.monotonic()
        events = caller.events(model=model, input="Hello?")
        assert IDLE_S <= time.monotonic() - began < IDLE_S + 10
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.code == "server_error"
    upstream.completion().wait_left()


def test_a_reply_that_takes_too_long(impatient: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = post(impatient.url, {"model": "hang", "input": "Hello?"})
    assert reply.status == 504
    upstream.completion().wait_left()


@shows("heartbeats")
def test_heartbeats_stand_between_events(impatient: PenstockServer, upstream: ScriptedUpstream) -> None:
    steps = (Send(ROLE, HELLO[0]), Sleep(0.8 * IDLE_S), Send(*HELLO[1:], chunk({}, "stop"), OWN_USAGE))
    model = upstream.add("pausing", Script(steps, EXPECT_HELLO))
    began = time.monotonic()
    with Connection(impatient.url) as connection:
        connection.post({"model": model, "input": "Hello?", "stream": True})
        answer = connection.answer()
    pings = [frame for frame in sse.parse(answer.body) if frame.raw == b": ping\n\n"]
    assert 2 <= len(pings) <= (time.monotonic() - began) / HEARTBEAT_S
    sse.check_writes(answer.writes)
    assert judged(answer.status, answer.headers, answer.writes).response["status"] == "completed"


def test_heartbeats_do_not_make_an_upstream_less_idle(impatient: PenstockServer) -> None:
    with Connection(impatient.url) as connection:
        connection.post({"model": "hang_midway", "input": "Hello?", "stream": True})
        answer = connection.answer()
    assert answer.body.count(b": ping\n\n") >= 3
    assert judged(answer.status, answer.headers, answer.writes).names[-1] == "failed"


@shows("slow-heads")
def test_a_stream_begins_before_its_upstream_answers(impatient: PenstockServer, upstream: ScriptedUpstream) -> None:
    model = upstream.add("late", Script((Sleep(0.6), *HELLO_TURN), EXPECT_HELLO))
    with Connection(impatient.url) as connection:
        connection.post({"model": model, "input": "Hello?", "stream": True})
        status, headers = connection.head()
        writes = connection.writes(headers)
        first = next(writes)
        assert upstream.completion().written == 0
        reply = judged(status, headers, [first, *writes])
    assert b"event: response.in_progress" in first
    assert reply.response["status"] == "completed"


def test_what_is_there_is_sent_at_once(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    """The first delta arrives while the upstream still sleeps."""
    with Connection(server.url) as connection:
        connection.post({"model": "hang_midway", "input": "Hello?", "stream": True})
        _, headers = connection.head()
        seen = b""
        for write in connection.writes(headers):
            seen += write
            if b"response.output_text.delta" in seen:
                break
    assert not upstream.completion().ended.is_set()
