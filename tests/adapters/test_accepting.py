"""Taking connections from a listening socket: in batches, within bounds, and on when the system had no room."""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

import pytest
import uvloop

from penstock.limits import Limits
from penstock_adapters.cli import accepting
from penstock_adapters.cli.accepting import Acceptor
from requirements import shows

CLIENTS = 60


class Line(asyncio.Protocol):
    """Answers what it gets with the same."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


class Listening:
    """A socket with clients that wait in it, and what is made of them."""

    def __init__(self, listener: socket.socket | None = None) -> None:
        self.made: list[Line] = []
        self.listener = listener or socket.create_server(("127.0.0.1", 0), backlog=128)
        self.clients = [socket.create_connection(self.listener.getsockname(), 5) for _ in range(CLIENTS)]

    def make(self) -> Line:
        self.made.append(Line())
        return self.made[-1]

    async def close(self) -> None:
        for one in (*self.clients, self.listener):
            one.close()
        for line in self.made:
            line.transport.abort()
        await asyncio.sleep(0.01)

    async def turns(self, until: Callable[[], bool], wait_s: float = 0) -> int:
        """How many turns of a busy event loop it takes."""
        turns = 0
        while not until():
            turns += 1
            assert turns < 10_000
            await asyncio.sleep(wait_s)
        return turns


Take: TypeAlias = Callable[[Listening], Awaitable[None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Listening, Take], None]:
    """Runs a test in an event loop of either kind."""

    async def within(waiting: Listening, take: Take) -> None:
        try:
            await asyncio.wait_for(take(waiting), 30)
        finally:
            await waiting.close()

    def with_loop(waiting: Listening, take: Take) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(within(waiting, take))

    return with_loop


@shows("accepted-in-batches")
def test_many_connections_take_a_few_turns_of_the_loop(run: Callable[[Listening, Take], None]) -> None:
    async def take(waiting: Listening) -> None:
        acceptor = Acceptor(waiting.listener, waiting.make, Limits(accept_batch_max=100))
        assert await waiting.turns(lambda: len(waiting.made) == CLIENTS) < CLIENTS / 10
        for client in waiting.clients:
            client.sendall(b"hello")
        assert [await asyncio.to_thread(client.recv, 100) for client in waiting.clients] == [b"hello"] * CLIENTS
        await acceptor.close()

    run(Listening(), take)


@shows("accepted-in-batches")
def test_a_turn_takes_no_more_than_it_may(run: Callable[[Listening, Take], None]) -> None:
    async def take(waiting: Listening) -> None:
        acceptor = Acceptor(waiting.listener, waiting.make, Limits(accept_batch_max=7))
        counts = [0]
        while counts[-1] < CLIENTS:
            await waiting.turns(lambda: len(waiting.made) > counts[-1])
            counts.append(len(waiting.made))
        assert max(after - before for before, after in itertools.pairwise(counts)) <= 7
        await acceptor.close()

    run(Listening(), take)


@shows("no-room-for-connections")
def test_what_finds_no_room_waits_for_it(
    run: Callable[[Listening, Take], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accepting, "_PAUSE_S", 0.01)
    listener = Full(("127.0.0.1", 0))

    async def take(waiting: Listening) -> None:
        acceptor = Acceptor(listener, waiting.make, Limits(accept_batch_max=100))
        await waiting.turns(lambda: listener.refused == 1)
        await asyncio.sleep(0.2)
        assert listener.refused > 1
        assert not waiting.made
        listener.has_room = True
        await waiting.turns(lambda: len(waiting.made) == CLIENTS, 0.01)
        await acceptor.close()

    with caplog.at_level(logging.WARNING):
        run(Listening(listener), take)
    [line] = caplog.messages  # of all the attempts
    assert line.startswith("Accepting connections fails: too many open files")


@shows("vanished-clients")
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
@pytest.mark.parametrize(("stall_s", "silence_s"), [(300.0, 300), (1e9, 32_767), (0.1, 1)])
def test_accepted_sockets_end_when_their_client_has_vanished(
    run: Callable[[Listening, Take], None], stall_s: float, silence_s: int
) -> None:
    async def take(waiting: Listening) -> None:
        acceptor = Acceptor(waiting.listener, waiting.make, Limits(reply_stall_s=stall_s))
        waiting.clients.append(socket.create_connection(waiting.listener.getsockname(), 5))
        await waiting.turns(lambda: sum(hasattr(line, "transport") for line in waiting.made) == CLIENTS + 1, 0.01)
        accepted = waiting.made[-1].transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == silence_s
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == silence_s * 1_000
        await acceptor.close()

    run(Listening(), take)


class Full(socket.socket):
    """A listening socket of a process that has no file descriptor left."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.bind(address)
        self.listen(128)
        self.has_room = False
        self.refused = 0

    def accept(self) -> Any:
        if self.has_room:
            return super().accept()
        self.refused += 1
        raise OSError(errno.EMFILE, "Too many open files")


def test_what_was_taken_has_its_protocol_when_it_is_closed(run: Callable[[Listening, Take], None]) -> None:
    async def take(waiting: Listening) -> None:
        acceptor = Acceptor(waiting.listener, waiting.make, Limits(accept_batch_max=5))
        await waiting.turns(lambda: bool(acceptor._beginning))
        await acceptor.close()
        assert len(waiting.made) % 5 == 0
        assert all(line.transport for line in waiting.made)
        assert waiting.listener.fileno() == -1

    run(Listening(), take)


def test_no_more_is_taken_after_a_pause_that_was_closed(
    run: Callable[[Listening, Take], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "_PAUSE_S", 0.01)
    listener = Full(("127.0.0.1", 0))

    async def take(waiting: Listening) -> None:
        acceptor = Acceptor(listener, waiting.make, Limits(accept_batch_max=100))
        await waiting.turns(lambda: listener.refused == 1)
        await acceptor.close()
        listener.has_room = True
        await asyncio.sleep(0.05)
        assert not waiting.made

    run(Listening(listener), take)
