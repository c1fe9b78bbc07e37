"""A run whose upstream sends its deltas while the run waits: the same events, deadlines and ends as by reading."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
import pytest

from core.kit import LIMITS, Json, make_run, plan, to_json
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream, Run
from penstock.limits import Limits
from penstock.ports import DirectSource, HttpRequest, Outlet
from penstock.secrets import Secret
from penstock.text_runs import Recorded, one_by_one
from support import oracle, virtual_time
from support.waiting import until_in_loop

DONE = b"data: [DONE]\n\n"
BEATING = msgspec.structs.replace(LIMITS, heartbeat_s=0.05, idle_s=0.2)


def chunk(text: str) -> bytes:
    return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode()


class Reply(DirectSource[bytes]):
    """A reply of an upstream, in the hands of the test: each chunk goes to the outlet if there is one."""

    status = 200
    headers = {"content-type": "text/event-stream"}

    def __init__(self) -> None:
        self.outlet: Outlet[bytes] | None = None
        self.error: Exception | None = None
        self.chunks: list[bytes] = []
        self.reader: asyncio.Future[None] | None = None
        self.is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self.chunks:
            if self.error is not None:
                raise self.error
            self.reader = asyncio.get_running_loop().create_future()
            await self.reader
        return self.chunks.pop(0)

    def send_to(self, outlet: Outlet[bytes]) -> None:
        self.outlet = outlet

    async def arrive(self, data: bytes) -> None:
        """Arrive while the run waits."""
        await until_in_loop(lambda: self.outlet is not None and self.reader is not None and not self.reader.done())
        assert self.outlet is not None
        assert self.reader is not None
        try:
            if self.outlet.is_ready():
                self.outlet.send(data)
                return
            self.chunks.append(data)
        except Exception as error:
            self.error = error
        self.reader.set_result(None)

    async def aclose(self) -> None:
        self.is_closed = True


class Upstream:
    """The transport to the one reply."""

    def __init__(self) -> None:
        self.reply = Reply()

    async def send(self, request: HttpRequest) -> Reply:
        return self.reply

    async def aclose(self) -> None:
        """Nothing is held."""


class Reader:
    """A client: what it was sent directly and what its task has read, in one order."""

    def __init__(self, limits: Limits = LIMITS, *, is_ready: Callable[[], bool] = lambda: True) -> None:
        upstream = Upstream()
        remote = RemoteUpstream(ChatCompletions(Options(), LIMITS), upstream, LIMITS, key=Secret("sk-of-the-server"))
        self.run: Run = make_run(plan(remote, stream=True), limits)
        self.reply = upstream.reply
        self.events: list[Json] = []
        self.direct = self.beats = 0
        self.run.send_to(Outlet(is_ready, self._send))

    def _send(self, batch: list[Recorded]) -> None:
        self.direct += len(batch)
        self.events += map(to_json, one_by_one(batch))

    async def read(self) -> None:
        await self.run.open()
        async for events in self.run.events():
            self.beats += not events
            self.events += map(to_json, events)
        assert oracle.check_stream(self.events) == to_json(self.run.response)

    @property
    def text(self) -> str:
        return "".join(event["delta"] for event in self.events if event["type"] == "response.output_text.delta")


def go(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    virtual_time.run(asyncio.wait_for(scenario(), 10))


def test_deltas_are_sent_while_the_run_waits() -> None:
    async def scenario() -> None:
        reader = Reader()
        reading = asyncio.ensure_future(reader.read())
        for number in range(20):
            await reader.reply.arrive(chunk(f"{number} "))
        assert reader.text == "".join(f"{number} " for number in range(20))
        assert reader.direct == 20 + 2
        await reader.reply.arrive(DONE)
        await reading
        assert reader.events[-1]["type"] == "response.completed"
        assert reader.reply.is_closed

    go(scenario)


def test_nothing_is_waited_for_after_the_end_mark() -> None:
    """The upstream may leave its reply open."""

    async def scenario() -> None:
        reader = Reader()
        reading = asyncio.ensure_future(reader.read())
        await reader.reply.arrive(chunk("Hi") + DONE)
        await reading
        assert reader.text == "Hi"
        assert reader.events[-1]["type"] == "response.completed"

    go(scenario)


@pytest.mark.parametrize("pattern", [[True], [False], [True, False], [False, False, True]])
def test_an_outlet_that_is_not_ready_leaves_the_deltas_to_the_reader(pattern: list[bool]) -> None:
    async def scenario() -> None:
        answers = iter(pattern * 20)
        reader = Reader(is_ready=answers.__next__)
        reading = asyncio.ensure_future(reader.read())
        for number in range(12):
            await reader.reply.arrive(chunk(f"{number} "))
        await reader.reply.arrive(DONE)
        await reading
        assert reader.text == "".join(f"{number} " for number in range(12))
        assert (reader.direct > 0) == any(pattern)

    go(scenario)


FAULTS = {
    "an error": (b'data: {"error": {"message": "boom sk-of-the-server"}}\n\n', "boom ****************"),
    "an error behind a text": (chunk("Hi") + b'data: {"error": {"message": "boom"}}\n\n', "boom"),
    "what is no completion": (b"data: nonsense\n\n", "The upstream sent what is not a chat completion: nonsense"),
}


@pytest.mark.parametrize(("data", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_ends_the_response(data: bytes, message: str) -> None:
    async def scenario() -> None:
        reader = Reader()
        reading = asyncio.ensure_future(reader.read())
        await reader.reply.arrive(chunk("So "))
        await reader.reply.arrive(data)
        await reading
        assert reader.events[-1]["response"]["error"]["message"] == message
        assert reader.text.startswith("So ")
        assert reader.reply.is_closed

    go(scenario)


@pytest.mark.parametrize("sign", [b": ping\n\n", b'data: {"choices": []}\n\n'], ids=["comment", "chunk"])
def test_signs_of_life_move_the_idle_deadline_and_no_heartbeat(sign: bytes) -> None:
    """They are no events: the client gets heartbeats meanwhile."""

    async def scenario() -> None:
        reader = Reader(BEATING)
        reading = asyncio.ensure_future(reader.read())
        await reader.reply.arrive(chunk("Hi"))
        for _ in range(10):
            await asyncio.sleep(0.05)
            await reader.reply.arrive(sign)
        await reader.reply.arrive(DONE)
        await reading
        assert reader.events[-1]["type"] == "response.completed"
        assert reader.beats >= 4

    go(scenario)


def test_events_that_are_sent_directly_make_heartbeats_needless() -> None:
    async def scenario() -> None:
        reader = Reader(msgspec.structs.replace(LIMITS, heartbeat_s=0.2))
        reading = asyncio.ensure_future(reader.read())
        for _ in range(20):
            await asyncio.sleep(0.02)
            await reader.reply.arrive(chunk("Hi"))
        await reader.reply.arrive(DONE)
        await reading
        assert not reader.beats

    go(scenario)


def test_an_upstream_that_falls_silent_ends_the_response() -> None:
    async def scenario() -> None:
        reader = Reader(msgspec.structs.replace(LIMITS, idle_s=0.1))
        reading = asyncio.ensure_future(reader.read())
        await reader.reply.arrive(chunk("Hi"))
        await reading
        assert "said nothing" in reader.events[-1]["response"]["error"]["message"]
        assert reader.reply.is_closed

    go(scenario)


def test_a_drain_ends_it_as_incomplete() -> None:
    async def scenario() -> None:
        reader = Reader()
        reading = asyncio.ensure_future(reader.read())
        await reader.reply.arrive(chunk("Hi"))
        reader.run.end_early()
        await reading
        assert reader.events[-1]["type"] == "response.incomplete"
        assert reader.text == "Hi"

    go(scenario)
