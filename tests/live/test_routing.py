"""Several upstreams behind one name: who is asked next, who is left alone, and what the client sees of it: nothing."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import ask, post
from support.scripts import BUSY, EXPECT_HELLO, HELLO, HELLO_TURN, OWN_USAGE, chunk
from support.server import PenstockServer
from support.steps import Cut, Expect, Hang, Reply, Script, Send, Sleep
from support.upstream import ScriptedUpstream
from support.waiting import until

STREAMS = [False, True]
ANSWERS = Script(HELLO_TURN, EXPECT_HELLO)
TOML = """
[[upstreams]]
name = "first"
url = "{0}"
{2}

[[upstreams]]
name = "second"
url = "{1}"
models = ["m", "other"]
aliases = {{ "m" = "theirs" }}
options = {{ max_tokens_field = "max_completion_tokens" }}
{3}
"""


@pytest.fixture
def first(upstream: ScriptedUpstream) -> ScriptedUpstream:
    upstream.add("m", ANSWERS)
    return upstream


@pytest.fixture
def second() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream({"theirs": ANSWERS}) as running:
        yield running


def config(first: str, second: str, more: str = "", also: str = "") -> str:
    return TOML.format(first, second, f'models = ["m"]\n{more}', also)


def closed_port() -> str:
    """The URL of a port on which no process listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}/v1"


def text_of(server: PenstockServer, *, stream: bool, text: str = "Hello?") -> str:
    reply = post(server.url, {"model": "m", "input": text, "stream": stream, "max_output_tokens": 50})
    assert (reply.status, reply.response["status"], reply.response["model"]) == (200, "completed", "m")
    return str(reply.response["output"][0]["content"][0]["text"])


@pytest.mark.parametrize("stream", STREAMS)
def test_a_port_without_a_server(start: Start, second: ScriptedUpstream, stream: bool) -> None:
    server = start(toml=config(closed_port(), second.url))
    assert text_of(server, stream=stream) == EXPECT_HELLO.text
    [asked] = second.completions
    assert (asked.body["model"], asked.body["max_completion_tokens"]) == ("theirs", 50)


@shows("retries")
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("step", [BUSY, Reply(502, "<html>"), Reply(429, {}), Reply(504, {})], ids=repr)
def test_it_reports_that_it_cannot(
    start: Start, first: ScriptedUpstream, second: ScriptedUpstream, step: Reply, stream: bool
) -> None:
    first.add("m", Script((step,), Expect(http=step.status)))
    server = start(toml=config(first.url, second.url))
    assert text_of(server, stream=stream) == EXPECT_HELLO.text
    assert (len(first.completions), len(second.completions)) == (1, 1)


@pytest.mark.parametrize("stream", STREAMS)
def test_its_head_never_comes(start: Start, first: ScriptedUpstream, second: ScriptedUpstream, stream: bool) -> None:
    first.add("m", Script((Hang(),), EXPECT_HELLO))
    limits = {"PENSTOCK_LIMITS_STREAM_HEAD_S": "0.3", "PENSTOCK_LIMITS_WHOLE_HEAD_S": "0.3"}
    server = start(toml=config(first.url, second.url), **limits)
    assert text_of(server, stream=stream) == EXPECT_HELLO.text
    first.completion().wait_left()


def test_a_background_response_finds_the_other_one(start: Start, second: ScriptedUpstream) -> None:
    server = start(toml=config(closed_port(), second.url), PENSTOCK_STORE="memory://")
    reply = post(server.url, {"model": "m", "input": "Hello?", "background": True})

    def has_ended() -> bool:
        return ask(server.url, "GET", f"/responses/{reply.response['id']}").body["status"] == "completed"

    until(has_ended)


@pytest.mark.parametrize("stream", STREAMS)
def test_no_other_upstream_is_tried_after_the_first_byte(
    start: Start, first: ScriptedUpstream, second: ScriptedUpstream, stream: bool
) -> None:
    first.add("m", Script((Send(chunk({"content": "Hel"})), Cut()), Expect(status="failed")))
    server = start(toml=config(first.url, second.url))
    reply = post(server.url, {"model": "m", "input": "Hello?", "stream": stream})
    assert reply.status == (200 if stream else 502)
    assert (len(first.completions), len(second.completions)) == (1, 0)


def test_a_request_that_is_rejected_for_its_contents_is_not_retried(
    start: Start, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.add("m", Script((Reply(400, {"error": {"message": "No."}}),), Expect(http=400)))
    server = start(toml=config(first.url, second.url))
    assert post(server.url, {"model": "m", "input": "Hello?"}).status == 400
    assert not second.completions


def test_weights(start: Start, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
    server = start(toml=config(first.url, second.url, "priority = 1\nweight = 4", "priority = 1"))
    for _ in range(100):
        text_of(server, stream=False)
    counts = Counter({"first": len(first.completions), "second": len(second.completions)})
    assert sum(counts.values()) == 100
    assert 55 < counts["first"] < 97  # 80 give or take six standard deviations, below; four, above


@shows("breakers")
def test_a_failing_upstream_gets_no_requests_for_a_while(
    start: Start, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.add("m", Script((BUSY,), Expect(http=503)))
    limits = {"PENSTOCK_LIMITS_BREAKER_FAILURES": "3", "PENSTOCK_LIMITS_BREAKER_REST_S": "1"}
    server = start(toml=config(first.url, second.url), **limits)
    for number in range(6):
        text_of(server, stream=True, text=f"Hello {number}?")
    assert (len(first.completions), len(second.completions)) == (3, 6)
    until(lambda: "upstream first fails; no requests are sent to it" in server.log)
    first.add("m", ANSWERS)
    time.sleep(1.1)
    for _ in range(2):
        text_of(server, stream=True)
    assert (len(first.completions), len(second.completions)) == (5, 6)
    until(lambda: "upstream first answers again" in server.log)


@shows("breakers")
def test_the_client_gets_retry_after_when_all_breakers_are_open(start: Start, first: ScriptedUpstream) -> None:
    first.add("m", Script((BUSY,), Expect(http=503)))
    limits = {"PENSTOCK_LIMITS_BREAKER_FAILURES": "2", "PENSTOCK_LIMITS_BREAKER_REST_S": "30"}
    server = start("--upstream", first.url, PENSTOCK_LIMITS_RETRIES_MAX="0", **limits)
    statuses = [post(server.url, {"model": "m", "input": text}).status for text in ("Hello?", "Hello!")]
    reply = post(server.url, {"model": "m", "input": "Hello?"})
    assert [*statuses, reply.status] == [503, 503, 503]
    assert "no requests are sent to it" in reply.error["message"]
    assert 25 < int(reply.headers["retry-after"]) <= 30
    assert len(first.completions) == 2
    assert ask(server.url, "GET", "/readyz").status == 200


def test_a_slow_stream_is_not_taken_away(start: Start, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
    """The patience is for its head alone."""
    first.add("m", Script((Send(*HELLO), Sleep(0.8), Send(chunk({}, "stop"), OWN_USAGE)), EXPECT_HELLO))
    server = start(toml=config(first.url, second.url), PENSTOCK_LIMITS_STREAM_HEAD_S="0.4")
    assert text_of(server, stream=True) == EXPECT_HELLO.text
    assert not second.completions
