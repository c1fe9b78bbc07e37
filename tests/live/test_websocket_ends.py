"""How WebSocket connections end: clients that leave or do not listen, servers that stop, and limits of time."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from live.conftest import Start
from live.test_disconnects import (
    AT_ONCE_S,
    FLOOD_BYTES,
    GROWTH_BYTES_MAX,
    HELD_BYTES_MAX,
    PIECE_CHARS,
    resident_bytes,
)
from requirements import shows
from support.ignored_headers import post
from support.mounted import MountedServer
from support.raw import Connection
from support.scripts import EXPECT_HELLO, HELLO, OWN_USAGE, chunk
from support.server import PenstockServer
from support.steps import Expect, Flood, Script, Send, Sleep
from support.talk import Talk
from support.upstream import ScriptedUpstream
from support.waiting import steady, until

DRAIN_S = 2.0
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "content-length": "",
}


def closed(talk: Talk, timeout_s: float = 5.0) -> tuple[int, str]:
    """The code and reason with which the server closes; nothing else may come before."""
    with pytest.raises(ConnectionClosed) as ending:
        talk.socket.recv(timeout_s)
    assert ending.value.rcvd is not None
    return ending.value.rcvd.code, ending.value.rcvd.reason


def reset(talk: Talk) -> None:
    talk.socket.socket.shutdown(socket.SHUT_RDWR)


def deaf(server: PenstockServer, model: str) -> Connection:
    """A client that has asked, and reads nothing from then on."""
    connection = Connection(server.url, receive_bytes=8192)
    connection.send("GET", "/responses", headers=UPGRADE)
    assert connection.head()[0] == 101
    connection.socket.sendall(frame(b'{"type":"response.create","model":"%b","input":"Hi"}' % model.encode()))
    return connection


def frame(text: bytes) -> bytes:
    """A text message of under 126 bytes, masked with nothing (RFC 6455, section 5.2)."""
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def flood(upstream: ScriptedUpstream) -> str:
    """A model that sends more than all buffers hold."""
    text = Flood(chunk({"content": "x" * PIECE_CHARS}), FLOOD_BYTES // PIECE_CHARS)
    return upstream.add("vast", Script((text, Send(chunk({}, "stop"), OWN_USAGE)), Expect(text=None)))


WAYS: dict[str, Callable[[Talk], None]] = {"close": lambda talk: talk.socket.close(), "cut": reset}


@shows("leaving")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("server", [PenstockServer, MountedServer])
def test_the_upstreams_see_at_once_that_a_client_left(
    start: Start, upstream: ScriptedUpstream, server: type[PenstockServer], way: str
) -> None:
    """All that ran for it are cut, and nothing that waited begins."""
    with Talk(start("--upstream", upstream.url, server=server)) as talk:
        talk.begun(model="hang_midway", input="Hi", stream_id="a")
        talk.create(model="hang", input="Hi", stream_id="b")
        talk.create(model="text", input="Hi", stream_id="b")
        received = [upstream.completion(number) for number in range(2)]
        WAYS[way](talk)
        left = time.monotonic()
        assert max(one.wait_left() for one in received) - left < AT_ONCE_S
    assert len(upstream.completions) == 2


@shows("memory")
def test_a_client_that_does_not_read_pauses_its_upstream(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url)
    assert post(server.url, {"model": "text", "input": "Hello?", "stream": True}).status == 200
    upstream.forget()
    before = resident_bytes(server)
    with deaf(server, flood(upstream)) as connection:
        received = upstream.completion()
        assert steady(lambda: received.written, quiet_s=0.5) < HELD_BYTES_MAX
        with Talk(server) as talk:
            assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"
        assert resident_bytes(server) - before < GROWTH_BYTES_MAX
        assert received.written < HELD_BYTES_MAX
        connection.reset()
        left = time.monotonic()
        assert received.wait_left() - left < AT_ONCE_S


def test_a_server_that_stops_lets_what_runs_end(upstream: ScriptedUpstream) -> None:
    with PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": str(DRAIN_S)}) as server:
        with Talk(server) as resting, Talk(server) as talk:
            talk.begun(model="hang_midway", input="Hi", stream_id="a")
            talk.create(model="text", input="Hi", stream_id="a")
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert closed(resting) == (1001, "The server is stopping.")
            error = talk.refused({"type": "response.create", "model": "text", "input": "Hi"})
            assert (error["status"], error["error"]["code"]) == (503, "server_stopping")
            assert talk.end("a")[-1]["type"] == "response.incomplete"
            assert talk.receive()["error"]["code"] == "server_stopping"
            assert closed(talk) == (1001, "The server is stopping.")
            assert time.monotonic() - began < DRAIN_S + 10
        upstream.completion().wait_left()
        assert server.process.wait(20) == 0, server.log
        assert len(upstream.completions) == 1


def test_a_client_that_does_not_read_does_not_stop_the_server_from_ending(upstream: ScriptedUpstream) -> None:
    stopping = PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": "1"})
    with stopping as server, deaf(server, flood(upstream)):
        received = upstream.completion()
        steady(lambda: received.written)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0, server.log


def test_a_connection_grows_old(start: Start, upstream: ScriptedUpstream) -> None:
    """What runs may end; what is asked meanwhile is refused: another connection is needed."""
    steps = (Send(*HELLO), Sleep(1.5), Send(chunk({}, "stop"), OWN_USAGE))
    model = upstream.add("thoughtful", Script(steps, EXPECT_HELLO))
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_SOCKET_AGE_S="0.6")
    with Talk(server) as talk, Talk(server) as resting:
        talk.create(model=model, input="Hi")
        result = resting.receive()
        assert (result["status"], result["error"]["code"]) == (400, "websocket_connection_limit_reached")
        assert closed(resting)[0] == 1001
        talk.create(model="text", input="Hi", stream_id="late")
        events = [talk.receive()]
        while "status" not in events[-1]:
            events.append(talk.receive())
        assert (events[-1]["stream_id"], events[-1]["error"]["code"]) == ("late", "websocket_connection_limit_reached")
        assert talk.end()[-1]["type"] == "response.completed"
        assert talk.receive()["error"]["code"] == "websocket_connection_limit_reached"
        assert closed(talk)[0] == 1001


def test_an_idle_connection(start: Start, upstream: ScriptedUpstream) -> None:
    """A run that waits for its upstream is no such one."""
    env = {"PENSTOCK_LIMITS_SOCKET_IDLE_S": "0.5", "PENSTOCK_LIMITS_HEARTBEAT_S": "0.1"}
    server = start("--upstream", upstream.url, **env)
    with Talk(server) as resting, Talk(server) as talk:
        talk.begun(model="hang_midway", input="Hi")
        assert closed(resting, 2) == (1001, "The connection was idle.")
        time.sleep(0.8)
        assert not upstream.completion().left.is_set()
        assert talk.turn(model="text", input="Hi", stream_id="b")[-1]["type"] == "response.completed"


def test_a_client_that_does_not_read_is_disconnected_in_the_end(start: Start, upstream: ScriptedUpstream) -> None:
    env = {"PENSTOCK_LIMITS_SOCKET_IDLE_S": "1", "PENSTOCK_LIMITS_SOCKET_CLOSE_S": "0.2"}
    with deaf(start("--upstream", upstream.url, **env), flood(upstream)):
        upstream.completion().wait_left()


def test_a_client_that_is_dead_is_noticed(start: Start, upstream: ScriptedUpstream) -> None:
    """It answers no ping; one that does is left alone."""
    env = {"PENSTOCK_LIMITS_SOCKET_PING_S": "0.2", "PENSTOCK_LIMITS_SOCKET_PONG_S": "0.3"}
    server = start("--upstream", upstream.url, **env)
    with Talk(server) as alive, deaf(server, "hang"):
        upstream.completion().wait_left()
        assert alive.turn(model="text", input="Hi")[-1]["type"] == "response.completed"


def test_there_may_be_so_many(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_SOCKETS_MAX="2")
    with Talk(server) as first, Talk(server):
        with pytest.raises(InvalidStatus) as refused:
            Talk(server)
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["retry-after"] == "1"
        first.socket.close()
        with until(lambda: _if_let_in(server)) as talk:
            assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"


def _if_let_in(server: PenstockServer) -> Talk | None:
    try:
        return Talk(server)
    except InvalidStatus:
        return None


def test_many_at_once(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url)

    def one(number: int) -> str:
        with Talk(server) as talk:
            first = talk.turn(model="text", input=f"{number}", store=False)[-1]["response"]["id"]
            talk.turn(model="text", input="More", store=False, previous_response_id=first)
            return f"{number}"

    with ThreadPoolExecutor(10) as together:
        numbers = list(together.map(one, range(30)))
    chains = [one.body["messages"] for one in upstream.completions if len(one.body["messages"]) == 3]
    assert sorted(chain[0]["content"] for chain in chains) == sorted(numbers)
