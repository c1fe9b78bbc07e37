"""The upstream sees at once that a client leaves; slow clients slow their own upstream, and no other client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from live.conftest import Start
from requirements import shows
from support.caller import SETTINGS
from support.ignored_headers import judged, post
from support.raw import Connection
from support.scripts import OWN_USAGE, chunk
from support.server import PenstockServer
from support.steps import Expect, Flood, Script, Send
from support.upstream import ScriptedUpstream
from support.waiting import steady

AT_ONCE_S = 8.0
PIECE_CHARS = 4000
FLOOD_BYTES = 50 * 10**6
HELD_BYTES_MAX = 20 * 10**6
"""What all the buffers between a writing upstream and a client that does not read may hold, the system's included."""
GROWTH_BYTES_MAX = 40 * 10**6
"""Of the server while the client does not read."""

Leave = Callable[[Connection], None]
WAYS: dict[str, Leave] = {"reset": Connection.reset, "close": Connection.__exit__}


def begin(server: PenstockServer, model: str, *, stream: bool) -> Connection:
    """A request that is on its way; of a stream, something has arrived."""
    connection = Connection(server.url)
    connection.post({"model": model, "input": "Hello?", "stream": stream})
    if stream and model != "hang":
        _, headers = connection.head()
        next(connection.writes(headers))
    return connection


@shows("leaving", "left-streams")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("model", "stream"), [("hang_midway", True), ("hang", True), ("hang", False)])
def test_the_upstream_sees_it_at_once(
    server: PenstockServer, upstream: ScriptedUpstream, model: str, stream: bool, way: str
) -> None:
    connection = begin(server, model, stream=stream)
    received = upstream.completion()
    WAYS[way](connection)
    left = time.monotonic()
    assert received.wait_left() - left < AT_ONCE_S


def test_of_a_stream_that_began_without_it(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_HEAD_WAIT_S="0.05")
    with Connection(server.url) as connection:
        connection.post({"model": "hang", "input": "Hello?", "stream": True})
        _, headers = connection.head()
        next(connection.writes(headers))
        received = upstream.completion()
    left = time.monotonic()
    assert received.wait_left() - left < AT_ONCE_S


def test_no_retry_for_a_client_that_disconnected(start: Start, upstream: ScriptedUpstream) -> None:
    """It leaves between two attempts."""
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_RETRY_BACKOFF_S="1")
    with Connection(server.url) as connection:
        connection.post({"model": "flaky", "input": "Hello?"})
        assert upstream.completion().ended.wait(20)
    time.sleep(1.8)  # a further attempt comes after 0.5 to 1.5 s
    assert len(upstream.completions) == 1


def test_the_package_closes_a_stream(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    with openai.OpenAI(base_url=server.url, api_key="test", **SETTINGS) as client:
        with client.responses.create(model="hang_midway", input="Hello?", stream=True) as stream:
            assert next(stream).type == "response.created"
        left = time.monotonic()
        assert upstream.completion().wait_left() - left < AT_ONCE_S


@pytest.mark.parametrize("stream", [True, False])
def test_a_cancelled_task_ends(server: PenstockServer, upstream: ScriptedUpstream, stream: bool) -> None:
    async def call() -> None:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="test", **SETTINGS) as client:
            ask = client.responses.create(model="hang", input="Hello?", stream=stream)
            task = asyncio.ensure_future(ask)
            await asyncio.to_thread(upstream.completion)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(call())
    left = time.monotonic()
    assert upstream.completion().wait_left() - left < AT_ONCE_S


@shows("memory", "leaving")
def test_many_clients_disconnect_and_nothing_remains(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    """The connections to the upstream are cut, those of others stay."""
    *leaving, staying = [begin(server, "hang_midway", stream=True) for _ in range(20)]
    *left, stored = [upstream.completion(number) for number in range(20)]
    for connection in leaving:
        connection.reset()
    for received in left:
        received.wait_left(AT_ONCE_S)
    assert not stored.left.is_set()
    staying.reset()
    stored.wait_left(AT_ONCE_S)


@pytest.fixture
def flood(upstream: ScriptedUpstream) -> str:
    steps = (
        Flood(chunk({"content": "x" * PIECE_CHARS}), FLOOD_BYTES // PIECE_CHARS),
        Send(chunk({}, "stop"), OWN_USAGE),
    )
    return upstream.add("vast", Script(steps, Expect(text=None)))


def test_a_slow_client_holds_back_its_upstream(start: Start, upstream: ScriptedUpstream, flood: str) -> None:
    """And costs no memory, and no time of any other client; when it leaves at last, the upstream sees it."""
    server = start("--upstream", upstream.url)
    assert post(server.url, {"model": "text", "input": "Hello?", "stream": True}).status == 200
    upstream.forget()
    before = resident_bytes(server)
    connection = Connection(server.url, receive_bytes=8192)
    connection.post({"model": flood, "input": "Hello?", "stream": True})
    connection.head()
    received = upstream.completion()
    assert steady(lambda: received.written, quiet_s=0.5) < HELD_BYTES_MAX
    assert post(server.url, {"model": "text", "input": "Hello?", "stream": True}).response["status"] == "completed"
    assert resident_bytes(server) - before < GROWTH_BYTES_MAX
    assert received.written < HELD_BYTES_MAX
    connection.reset()
    left = time.monotonic()
    assert received.wait_left() - left < AT_ONCE_S


def test_a_slow_client_gets_all_of_it(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    """It reads in small bites after a long pause, and nothing is lost."""
    steps = (Flood(chunk({"content": "x" * PIECE_CHARS}), 1000), Send(chunk({}, "stop"), OWN_USAGE))
    model = upstream.add("large", Script(steps, Expect(text=None)))
    with Connection(server.url, receive_bytes=8192) as connection:
        connection.post({"model": model, "input": "Hello?", "stream": True})
        status, headers = connection.head()
        received = upstream.completion()
        steady(lambda: received.written)
        reply = judged(status, headers, list(connection.writes(headers)))
    assert reply.response["output"][0]["content"][0]["text"] == "x" * 1000 * PIECE_CHARS


def resident_bytes(server: PenstockServer) -> int:
    """Where the system does not report it, 0."""
    statm = Path(f"/proc/{server.process.pid}/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0
