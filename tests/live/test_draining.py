"""A server that is asked to stop: what runs may end, and what does not is ended in order, before time is up."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from requirements import shows
from support import oracle, sse
from support.ignored_headers import judged
from support.raw import Connection
from support.server import PenstockServer
from support.talk import Talk
from support.upstream import ScriptedUpstream
from support.waiting import steady, until

Json = dict[str, Any]

DRAIN_S = 2.0
ASKED = {"model": "any", "input": "Hello?"}
WAITING: dict[str, tuple[str, str, Json | None]] = {
    "a response": ("POST", "/responses", ASKED),
    "a stream": ("POST", "/responses", ASKED | {"stream": True}),
    "one cut to fit": ("POST", "/responses", ASKED | {"truncation": "auto"}),
    "a compaction": ("POST", "/responses/compact", ASKED),
    "a count": ("POST", "/responses/input_tokens", ASKED),
    "a relay": ("POST", "/chat/completions", {"model": "any", "messages": []}),
    "the models": ("GET", "/models", None),
    "a model": ("GET", "/models/any", None),
}
"""Requests that wait for an upstream which has not sent anything yet."""
SILENT = """
[[upstreams]]
name = "silent"
url = "http://127.0.0.1:{port}/v1"
options = {{ tokenizer = "vllm" }}
"""


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where connections are taken, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def asking(server: PenstockServer, method: str, path: str, body: Json | None) -> Connection:
    connection = Connection(server.url)
    content = b"" if body is None else json.dumps(body).encode()
    connection.send(method, path, content, {"content-type": "application/json"})
    return connection


def result_of(connection: Connection) -> tuple[int, str | None]:
    """The status of the reply, and the code of its error."""
    answer = connection.answer()
    reply = judged(answer.status, answer.headers, answer.writes)
    return answer.status, reply.error.get("code") or reply.response.get("status")


def is_open(server: PenstockServer) -> bool:
    """Whether a new client would be accepted."""
    host, port = server.base.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


@shows("signals")
def test_a_stream_that_would_outlive_the_server_ends_incomplete(upstream: ScriptedUpstream) -> None:
    with PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": str(DRAIN_S)}) as server:
        with Connection(server.url) as connection:
            connection.post({"model": "hang_midway", "input": "Hello?", "stream": True})
            status, headers = connection.head()
            writes = connection.writes(headers)
            body = next(writes)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            until(lambda: not is_open(server), DRAIN_S / 2)
            body += b"".join(writes)
            took_s = time.monotonic() - began
        frames = [frame for frame in sse.parse(body) if frame.event]
        response = oracle.check_stream([json.loads(frame.data or "") for frame in frames])
        assert (status, response["status"], response["incomplete_details"]) == (200, "incomplete", {"reason": None})
        assert response["output"][0]["status"] == "incomplete"
        assert 0.5 < took_s < DRAIN_S + 10
        upstream.completion().wait_left()
        assert server.process.wait(20) == 0, server.log


@shows("drained-in-order")
def test_what_waits_for_an_upstream_is_answered_before_the_server_stops(silent_port: int) -> None:
    env = {"PENSTOCK_DRAIN_S": str(DRAIN_S), "PENSTOCK_LOG_LEVEL": "info"}
    with PenstockServer(env=env, toml=SILENT.format(port=silent_port)) as server, ExitStack() as stack:
        waiting = {name: stack.enter_context(asking(server, *request)) for name, request in WAITING.items()}
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        outcomes = {name: result_of(connection) for name, connection in waiting.items()}
        assert outcomes == dict.fromkeys(WAITING, (503, "server_stopping"))
        assert server.process.wait(20) == 0
    assert "a fault of this server" not in server.log
    assert "Traceback" not in server.log


@shows("drained-in-order")
def test_a_stream_that_began_without_its_upstream_ends_incomplete(silent_port: int) -> None:
    env = {"PENSTOCK_DRAIN_S": str(DRAIN_S), "PENSTOCK_LIMITS_HEAD_WAIT_S": "0.1"}
    with PenstockServer(env=env, toml=SILENT.format(port=silent_port)) as server:
        with asking(server, "POST", "/responses", ASKED | {"stream": True}) as connection:
            status, headers = connection.head()
            server.process.send_signal(signal.SIGTERM)
            reply = judged(status, headers, list(connection.writes(headers)))
        assert (reply.response["status"], reply.response["output"]) == ("incomplete", [])
        assert server.process.wait(20) == 0


@shows("drained-in-order", "cut-relays")
def test_a_relay_that_would_outlive_the_server_is_cut(upstream: ScriptedUpstream) -> None:
    with PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": str(DRAIN_S)}) as server:
        with Connection(server.url) as connection:
            connection.post({"model": "hang_midway", "messages": [], "stream": True}, "/chat/completions")
            status, headers = connection.head()
            assert status == 200
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionError):
                list(connection.writes(headers))
        upstream.completion().wait_left()
        assert server.process.wait(20) == 0
    assert "Traceback" not in server.log


@shows("drained-in-order")
def test_a_websocket_turn_that_waits_for_its_upstream_is_informed(silent_port: int) -> None:
    env = {"PENSTOCK_DRAIN_S": str(DRAIN_S)}
    with PenstockServer(env=env, toml=SILENT.format(port=silent_port)) as server:
        with Talk(server) as talk:
            talk.create(**ASKED)
            talk.create(**ASKED, stream_id="a", truncation="auto")
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            for _ in range(2):
                error = talk.receive()
                assert (error["status"], error["error"]["code"]) == (503, "server_stopping")
        assert server.process.wait(20) == 0
    assert "Traceback" not in server.log


@shows("drained-in-order")
@pytest.mark.parametrize("path", ["/responses", "/responses/compact"])
def test_what_its_upstream_has_begun_and_does_not_end(upstream: ScriptedUpstream, path: str) -> None:
    """A response is as long as it is; a summary in parts would be none."""
    with PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": str(DRAIN_S)}) as server:
        with asking(server, "POST", path, {"model": "hang_midway", "input": "Hello?"}) as connection:
            upstream.completion()
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            outcome = result_of(connection)
        assert outcome == (503, "server_stopping")
        assert server.process.wait(20) == 0


@shows("drained-in-order")
def test_a_body_that_is_not_there_when_the_server_stops(upstream: ScriptedUpstream) -> None:
    with PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": str(DRAIN_S)}) as server:
        with Connection(server.url) as connection:
            headers = {"content-type": "application/json", "content-length": "100"}
            connection.send("POST", "/responses", b'{"model": ', headers)
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            assert result_of(connection) == (503, "server_stopping")
        assert server.process.wait(20) == 0
    assert "Traceback" not in server.log


@shows("drained-in-order")
def test_a_client_that_reads_nothing_when_the_server_stops(upstream: ScriptedUpstream) -> None:
    server = PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": "1"})
    with server, Connection(server.url, receive_bytes=4096) as connection:
        connection.post({"model": "flood", "input": "Hello?", "stream": True})
        received = upstream.completion()
        steady(lambda: received.written)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert "Traceback" not in server.log
