"""WebSocket connections without a server: order, bounds, faults, and whatever a client may send."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.kit import LIMITS, FakeUpstream, service, skeleton
from core.mutations import bodies
from core.test_fuzz import Obliging, known
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import ConnectionCaches, Context, LocalUpstream, RemoteUpstream
from penstock.engine.running.persistence import Ending
from penstock.errors import upstream_failed
from penstock.http import Reply, Request
from penstock.limits import Limits
from penstock.ports import Deltas, Headers, Turn
from penstock.service import Service
from penstock.stores.memory import MemoryStore
from penstock.transcript.deltas import Delta, TextDelta
from penstock.websocket import ChannelClosed
from penstock.wire import Message
from requirements import shows
from support import grammar, oracle
from support.talk import TERMINAL, checked_error

pytestmark = pytest.mark.slow

Json = dict[str, Any]

SEED = 4_712
COUNT = 2_000
TIMEOUT_S = 5.0
BEGUN = 5
"""The events of a response up to its first delta."""
HANDSHAKE = {"host": "localhost", "upgrade": "websocket"}


class Line:
    """A channel whose client is the test."""

    def __init__(self, *, is_gone: bool = False) -> None:
        self.is_gone = is_gone
        self.headers: Headers | None = None
        self.to_server: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.to_client: asyncio.Queue[Json] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None
        self.is_cut = False
        self.listens = asyncio.Event()
        self.listens.set()

    async def accept(self, headers: Headers) -> None:
        if self.is_gone:
            raise ChannelClosed
        self.headers = headers

    async def receive(self) -> bytes | None:
        return await self.to_server.get()

    async def send(self, messages: Sequence[bytes]) -> None:
        await self.listens.wait()
        if self.is_gone:
            raise ChannelClosed
        for message in messages:
            self.to_client.put_nowait(json.loads(message))

    async def close(self, code: int, reason: str) -> None:
        await self.listens.wait()
        self.closed = (code, reason)

    async def cut(self) -> None:
        self.is_cut = True

    def write(self, message: Any) -> None:
        self.to_server.put_nowait(message if isinstance(message, bytes) else json.dumps(message).encode())

    def create(self, **body: Any) -> None:
        self.write({"type": "response.create", "input": "Hi"} | body)

    async def read(self) -> Json:
        return await asyncio.wait_for(self.to_client.get(), TIMEOUT_S)

    async def answer(self) -> list[Json]:
        """What one message is answered with: an error, or the events of a response."""
        answer = [await self.read()]
        while "status" not in answer[-1] and answer[-1]["type"] not in TERMINAL:
            answer.append(await self.read())
        return answer


async def connect(server: Service, line: Line) -> Reply | None:
    request = Request(method="GET", path="/v1/responses", headers=HANDSHAKE)
    return await server.connect(request, line)


@asynccontextmanager
async def connected(server: Service) -> AsyncIterator[Line]:
    """A line to the service; at the end the client has left, and the service knows."""
    line = Line()
    serving = asyncio.ensure_future(connect(server, line))
    yield line
    line.to_server.put_nowait(None)
    assert await asyncio.wait_for(serving, TIMEOUT_S) is None


def judge(answer: list[Json]) -> str:
    """The status of a response, or the code of an error; raises for what may not be sent."""
    stream_ids = {event.pop("stream_id", None) for event in answer}
    assert len(stream_ids) == 1
    if "status" in answer[0]:
        code: str = checked_error(answer[0])["error"]["code"]
        assert answer[0]["status"] < 499, answer
        return code
    answer[0].pop("headers", None)
    status: str = oracle.check_response(known(grammar.fold(answer)))["status"]
    return status


def speaking() -> Service:
    return service(RemoteUpstream(ChatCompletions(Options(), LIMITS), Obliging(), LIMITS), store=MemoryStore())


def test_so_many_run_at_a_time() -> None:
    """Of one stream, one; over all streams, the limit."""

    async def main() -> None:
        gate = asyncio.Event()
        upstream = FakeUpstream([TextDelta("a")], gate, [TextDelta("b")])
        async with connected(service(upstream, limits=replace(LIMITS, socket_runs_max=2))) as line:
            for stream_id in ("x", "x", "y", "z", "y"):
                line.create(stream_id=stream_id)
            for _ in range(2 * BEGUN):
                await line.read()
            assert len(upstream.turns) == 2
            gate.set()
            ended: list[str] = []
            while len(ended) < 5:
                event = await line.read()
                ended += [event["stream_id"]] if event["type"] in TERMINAL else []
            assert sorted(ended) == ["x", "x", "y", "y", "z"]
            assert upstream.closed == 5

    asyncio.run(main())


def test_a_client_that_disconnects_takes_its_runs_with_it() -> None:
    async def main() -> None:
        upstream = FakeUpstream([TextDelta("a")], None)
        async with connected(service(upstream)) as line:
            for stream_id in ("x", "y", "y"):
                line.create(stream_id=stream_id)
            for _ in range(2 * BEGUN):
                await line.read()
        assert (len(upstream.turns), upstream.closed) == (2, 2)

    asyncio.run(main())


def test_a_client_that_takes_nothing_stops_its_upstream() -> None:
    """No batch is asked for before the last one was taken."""
    asked = 0

    def generate(turn: Turn) -> Iterator[list[Delta]]:
        nonlocal asked
        for asked in range(1, 1_000):  # noqa: B007 - how far it came is what is looked at
            yield [TextDelta("a")]

    async def main() -> None:
        async with connected(service(LocalUpstream(generate, ["any"]))) as line:
            line.listens.clear()
            line.create()
            await asyncio.sleep(0.05)
            assert asked <= 1
            line.listens.set()
            assert judge(await line.answer()) == "completed"

    asyncio.run(main())


def test_a_bug_is_reported_as_such_and_ends_nothing() -> None:
    class Broken(FakeUpstream):
        async def open(self, turn: Turn) -> Deltas:
            raise KeyError("secret")

    async def main() -> None:
        async with connected(service(Broken())) as line:
            for _ in range(2):
                line.create(stream_id="x")
                [*_, event] = await line.answer()
                error = event["response"]["error"] if "response" in event else event["error"]
                assert "secret" not in error["message"]

    asyncio.run(main())


def test_a_client_that_disconnects_before_it_is_let_in() -> None:
    assert asyncio.run(connect(speaking(), Line(is_gone=True))) is None


def test_a_store_that_does_not_start() -> None:
    """What need not be stored works all the same."""

    class Broken(MemoryStore):
        async def migrate(self) -> None:
            raise upstream_failed("The store rests.", status=503)

    async def main() -> None:
        async with connected(service(FakeUpstream(), store=Broken())) as line:
            line.create(store=True)
            [refused] = await line.answer()
            assert (refused["type"], refused["status"]) == ("error", 503)
            line.create(store=False)
            assert (await line.answer())[-1]["type"] == "response.completed"

    asyncio.run(main())


def test_other_paths_and_other_upgrades() -> None:
    async def main() -> None:
        server = speaking()
        reply = await server.connect(Request(method="GET", path="/v1/models", headers=HANDSHAKE), Line())
        assert reply is not None
        assert reply.status == 404
        body = b'{"input": "Hi"}'
        headers = HANDSHAKE | {"content-type": "application/json", "upgrade": "h2c"}
        reply = await server.handle(Request(method="POST", path="/v1/responses", headers=headers, body=body))
        assert reply.status == 200

    asyncio.run(main())


# What is remembered.


def remembered(recent: ConnectionCaches, number: int, size: int) -> None:
    context = Context([], [Message(role="user", content="x" * size)])
    recent.add(Ending(skeleton(id=f"resp_{number}"), [], {}), context)


@pytest.mark.parametrize(
    ("limits", "size", "numbers"),
    [
        (Limits(), 100, [1, 2, 3, 4]),
        (Limits(socket_recent_max=2), 100, [3, 4]),
        (Limits(socket_recent_bytes_max=400), 100, [3, 4]),
        (Limits(socket_recent_bytes_max=400), 1_000, []),
    ],
)
def test_the_last_responses_are_remembered(limits: Limits, size: int, numbers: list[int]) -> None:
    recent = ConnectionCaches(limits).open()
    for number in range(1, 5):
        remembered(recent, number, size)
    assert [number for number in range(1, 5) if recent.recall(f"resp_{number}")] == numbers


def test_what_was_forgotten_makes_room() -> None:
    recent = ConnectionCaches(Limits(socket_recent_bytes_max=400)).open()
    remembered(recent, 1, 1_000)
    remembered(recent, 2, 100)
    assert recent.recall("resp_1") is None
    assert recent.recall("resp_2")


@shows("bounded-contexts")
def test_all_connections_together_have_a_bound() -> None:
    """The connection that holds most forgets its oldest; what a connection held is free when it ends."""
    recents = ConnectionCaches(Limits(sockets_recent_bytes_max=1_000))
    modest, greedy, late = recents.open(), recents.open(), recents.open()
    remembered(modest, 0, 100)
    for number in range(1, 9):
        remembered(greedy, number, 100)
    held = [number for number in range(1, 9) if greedy.recall(f"resp_{number}")]
    assert held == [*range(9 - len(held), 9)] and 0 < len(held) < 8
    assert modest.recall("resp_0")
    greedy.close()
    for number in range(4):
        remembered(late, number, 100)
    assert all(late.recall(f"resp_{number}") for number in range(4)) and modest.recall("resp_0")


# Whatever a client may send.


@pytest.mark.slow
def test_thousands_of_requests_on_one_connection() -> None:
    async def main() -> Counter[str]:
        results: Counter[str] = Counter()
        async with connected(speaking()) as line:
            for body in bodies(COUNT, SEED):
                line.write(body.replace(b"{", b'{"type":"response.create",', 1))
                results[judge(await line.answer())] += 1
        return results

    results = asyncio.run(main())
    assert results.total() == COUNT
    assert results["completed"] > COUNT // 10, results
    assert len(results) > 5, results


STREAM_IDS = st.sampled_from([None, "a", "b", "c", "", "a b", 1])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
CREATE = st.fixed_dictionaries(
    {"type": st.just("response.create"), "input": st.just("Hi") | JSON},
    optional={
        "stream_id": STREAM_IDS,
        "generate": st.booleans() | JSON,
        "store": st.booleans(),
        "stream": st.booleans() | JSON,
        "background": st.none() | JSON,
        "previous_response_id": st.sampled_from([None, "resp_none"]) | JSON,
    },
)
MESSAGES = st.lists(CREATE | JSON | st.binary(max_size=20), max_size=12)


@settings(max_examples=150, deadline=None)
@given(MESSAGES)
def test_every_message_has_one_answer(messages: list[Any]) -> None:
    """All are sent before the first is answered."""

    async def main() -> None:
        reply: dict[str | None, list[Json]] = defaultdict(list)
        answers = 0
        async with connected(speaking()) as line:
            for message in messages:
                line.write(message)
            while answers < len(messages):
                event = await line.read()
                if "status" in event:
                    checked_error(event)
                    assert event["status"] < 499
                    answers += 1
                    continue
                stream_id = event.pop("stream_id", None)
                event.pop("headers", None)
                reply[stream_id].append(event)
                if event["type"] in TERMINAL:
                    oracle.check_stream(reply.pop(stream_id))
                    answers += 1
            assert not reply
            assert line.to_client.empty()

    asyncio.run(main())
