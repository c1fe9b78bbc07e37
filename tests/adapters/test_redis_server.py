"""The Redis store when its server restarts, dies, fills up, fails over, goes silent, or an answer is lost."""

from __future__ import annotations

import asyncio
import signal
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from conformance.kit import (
    ME,
    NOW,
    batch,
    claimed,
    conversation,
    ended,
    fresh,
    ids,
    items,
    log_after,
    response,
    running,
)
from conformance.servers import Process, free_port, program, remove
from penstock.errors import ApiError
from penstock.ports import Claim, StoredResponse
from penstock_adapters.redis import RedisStore, pipeline, pubsub
from support.missing import skipped_if_missing

T = TypeVar("T")


class Server:
    """A Redis of these tests' own, with a log on the disk; they may stop and start it."""

    def __init__(self, program_path: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="penstock-redis-"))
        self.port = free_port()
        self.path = str(self.directory / "socket")
        self._program = program_path
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        listen = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", self.path]
        stored = ["--dir", str(self.directory), "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self.process = Process([self._program, *listen, *stored], self.directory)
        self.process.until(lambda: self.ask("PING") == "+PONG")

    def kill(self) -> None:
        self.process.running.send_signal(signal.SIGKILL)
        self.process.running.wait(60)

    def close(self) -> None:
        if self.process.running.poll() is None:
            self.process.end()
        remove(self.directory)

    def ask(self, command: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(10_000).decode().strip()


class Cutter:
    """A way to the server that loses answers: `cut` of them, each with its connection; or it only listens."""

    def __init__(self, port: int) -> None:
        self.cut = 0
        self.is_silent = False
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def aclose(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection("127.0.0.1", self._port)
        there = asyncio.create_task(self._pass(reader, behind[1], is_answer=False))
        back = asyncio.create_task(self._pass(behind[0], writer, is_answer=True))
        self._tasks |= {there, back}
        await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, behind[1]):
            end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(2**16):
                if is_answer and self.cut:
                    self.cut -= 1
                    return
                if not (is_answer and self.is_silent):
                    writer.write(data)
                    await writer.drain()


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with skipped_if_missing():
        server = Server(program("redis-server"))
    yield server
    server.close()


@pytest.fixture
def server(shared: Server) -> Server:
    """It runs, and nothing is in it."""
    if shared.process.running.poll() is not None:
        shared.start()
    assert shared.ask("FLUSHALL") == "+OK"
    return shared


@asynccontextmanager
async def opened(url: str) -> Any:
    store = RedisStore(url)
    await store.migrate()
    try:
        yield store
    finally:
        await store.aclose()


async def outcome(call: Awaitable[T]) -> T | ApiError:
    """What came back, or how it failed; it may fail in one way only."""
    try:
        return await call
    except ApiError as error:
        assert (error.status, error.type, error.code, error.retriable) == (503, "server_error", "server_error", True)
        return error


async def work(store: RedisStore) -> StoredResponse | None:
    """One background response from its beginning to its end, which is returned if it was acknowledged."""
    job = running(body=b"x" * 2_000)
    end = ended(job)
    if await outcome(store.save(job)) is True:
        claim = await outcome(store.claim(job.id, now=NOW, until=NOW + 60))
        if isinstance(claim, Claim) and await outcome(store.settle(end, fence=claim.fence)) is True:
            return end
    return None


async def write(store: RedisStore, stop: asyncio.Event) -> list[StoredResponse]:
    done = []
    while not stop.is_set():
        done.append(await work(store))
    return [end for end in done if end]


# It restarts.


def test_a_restart_is_waited_for(server: Server) -> None:
    """What is asked while the server is away for a moment succeeds; it has the scripts again too."""

    async def scenario() -> None:
        async with opened(server.url) as store:
            await store.save(before := response())
            server.kill()
            saves = [asyncio.create_task(store.save(response())) for _ in range(200)]
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)
            assert all(await asyncio.gather(*saves))
            assert await store.response(ME, before.id) == before

    asyncio.run(scenario())


def test_a_server_that_stays_away_is_a_clear_error(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "RETRY_S", 0.5)

    async def scenario() -> None:
        async with opened(server.url) as store:
            await store.save(row := response())
            server.kill()
            start = time.monotonic()
            calls: list[Awaitable[object]] = [
                store.save(response()),
                store.settle(ended(running())),
                store.response(ME, row.id),
                store.chain(ME, row.id, responses_max=1),
                store.wait_for_events(fresh("resp"), after=-1, timeout_s=60),
                store.unclaimed(now=NOW, limit=1),
            ]
            errors = await asyncio.gather(*map(outcome, calls))
            assert all(isinstance(error, ApiError) for error in errors)
            assert time.monotonic() - start < 30
            await asyncio.to_thread(server.start)
            assert await store.response(ME, row.id) == row

    asyncio.run(scenario())


def test_nothing_acknowledged_is_lost_when_it_is_killed_under_load(server: Server) -> None:
    """Five times: `kill -9` while 16 write, and every row that was acknowledged is there afterwards, whole.

    So `appendfsync always` promises. With `everysec` this test fails now and then, as it should.
    """

    async def strike(store: RedisStore) -> list[StoredResponse]:
        stop = asyncio.Event()
        writers = [asyncio.create_task(write(store, stop)) for _ in range(16)]
        await asyncio.sleep(0.2)
        server.kill()
        await asyncio.to_thread(server.start)
        await asyncio.sleep(0.1)
        stop.set()
        return [end for done in await asyncio.gather(*writers) for end in done]

    async def scenario() -> None:
        async with opened(server.url) as store:
            stored = [end for _ in range(5) for end in await strike(store)]
            assert len(stored) > 50
            for end in stored:
                found = await store.response(ME, end.id)
                assert found is not None
                assert (found.status, found.body, found.output) == ("completed", end.body, end.output)

    asyncio.run(scenario())


# An answer is lost: what was done is not done again.


def test_what_was_done_is_done_once_though_its_answer_is_lost(server: Server) -> None:
    async def scenario() -> None:
        way = Cutter(server.port)
        async with opened(await way.open()) as store, opened(server.url) as other:

            async def lossy(call: Callable[[], Awaitable[T]]) -> T:
                """Twice, so that the first attempt is not only the one that finds the script unknown."""
                await store.response(ME, "any")
                way.cut = 1
                done = await call()
                assert way.cut == 0
                return done

            talk, turn, job = conversation(), response(input=items(2)), running()
            await lossy(lambda: store.save_conversation(talk, items(1)))
            turn.conversation_id = talk.id
            await lossy(lambda: store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60))
            assert await lossy(lambda: store.save(turn)) is True
            assert await lossy(lambda: store.add_items(ME, talk.id, items(1))) is True
            page = await other.page_items(ME, talk.id)
            assert page is not None
            assert len(page.items) == 1 + 3 + 1

            assert await lossy(lambda: store.save(job)) is True
            claim = await claimed(store, job)
            for n in range(3):
                assert await lossy(lambda n=n: store.append_events(claim, batch(n))) is True  # type: ignore[misc]
            assert await log_after(other, job.id, -1) == [0, 1, 2]
            assert await lossy(lambda: store.renew([claim], until=NOW + 99)) == set()
            assert await lossy(lambda: store.settle(ended(job), fence=claim.fence)) is True
            assert await other.settle(ended(job)) is False
        await way.aclose()

    asyncio.run(scenario())


def test_cancel_against_completion_over_a_bad_connection(server: Server) -> None:
    """One of the two gets the reply that it won, whichever answers are lost."""

    async def scenario() -> None:
        ways = [Cutter(server.port), Cutter(server.port)]
        async with opened(await ways[0].open()) as one, opened(await ways[1].open()) as other:
            for n in range(24):
                job = running()
                await one.save(job)
                claim = await claimed(one, job)
                await other.response(ME, job.id)
                ways[0].cut, ways[1].cut = n % 2, n // 2 % 2
                completed, cancelled = await asyncio.gather(
                    one.settle(ended(job), fence=claim.fence), other.settle(ended(job, "cancelled", output=[]))
                )
                assert completed is not cancelled
                found = await one.response(ME, job.id)
                assert found is not None
                assert found.status == ("completed" if completed else "cancelled")
        for way in ways:
            await way.aclose()

    asyncio.run(scenario())


def test_a_server_without_output_is_a_clear_error(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(pipeline, "RETRY_S", 0.5)

    async def scenario() -> None:
        way = Cutter(server.port)
        async with opened(await way.open()) as store:
            way.is_silent = True
            start = time.monotonic()
            assert isinstance(await outcome(store.save(response())), ApiError)
            assert time.monotonic() - start < 30
            way.is_silent = False
            assert await store.save(response())
        await way.aclose()

    asyncio.run(scenario())


# It refuses.


def test_a_full_server_refuses_and_lets_remove(server: Server) -> None:
    async def scenario() -> None:
        async with opened(server.url) as store:
            rows = [response(body=b"x" * 100_000) for _ in range(10)]
            for row in rows:
                await store.save(row)
            server.ask("CONFIG SET maxmemory 1mb")
            try:
                assert isinstance(await outcome(store.save(response())), ApiError)
                assert await store.response(ME, rows[0].id) == rows[0]
                assert await store.delete_response(ME, rows[0].id)
            finally:
                server.ask("CONFIG SET maxmemory 0")
            assert await store.save(response())

    asyncio.run(scenario())


def test_a_failover_is_waited_for(server: Server) -> None:
    """A replica refuses writes until it has become the primary."""

    async def scenario() -> None:
        async with opened(server.url) as store:
            await store.save(response())
            server.ask(f"REPLICAOF 127.0.0.1 {free_port()}")
            saving = asyncio.create_task(store.save(row := response()))
            await asyncio.sleep(0.3)
            assert not saving.done()
            server.ask("REPLICAOF NO ONE")
            assert await saving
            assert await store.response(ME, row.id) == row

    asyncio.run(scenario())


def test_a_replica_that_stays_one_is_reported_as_such(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with opened(server.url) as store:
            server.ask(f"REPLICAOF 127.0.0.1 {free_port()}")
            try:
                assert isinstance(await outcome(store.save(response())), ApiError)
            finally:
                server.ask("REPLICAOF NO ONE")

    asyncio.run(scenario())
    assert "the server takes no writes (ReadOnlyError)" in caplog.text
    assert "cannot be reached" not in caplog.text


# Who waits for events.


def test_a_lost_connection_wakes_waiting_readers(server: Server) -> None:
    """He looks, finds nothing, and waits again, over a new connection."""

    async def scenario() -> None:
        async with opened(server.url) as store, opened(server.url) as writer:
            job = running()
            await writer.save(job)
            claim = await claimed(writer, job)
            waits = [asyncio.create_task(store.wait_for_events(job.id, after=-1, timeout_s=60)) for _ in range(3)]
            await asyncio.sleep(0.2)
            server.ask("CLIENT KILL TYPE pubsub")
            await asyncio.wait_for(asyncio.gather(*waits), 2)
            again = asyncio.create_task(store.wait_for_events(job.id, after=-1, timeout_s=60))
            await asyncio.sleep(0.2)
            assert not again.done()
            await writer.append_events(claim, batch(0))
            await asyncio.wait_for(again, 2)

    asyncio.run(scenario())


def test_a_follower_reads_through_restarts(server: Server) -> None:
    """Nothing is missed or read twice, though the server is killed three times meanwhile."""

    async def follow(store: RedisStore, job: StoredResponse) -> list[int]:
        log: list[int] = []
        while True:
            stored = await store.response(ME, job.id)
            log += await log_after(store, job.id, log[-1] if log else -1)
            if stored is None or stored.status == "completed":
                return log
            await store.wait_for_events(job.id, after=log[-1] if log else -1, timeout_s=1)

    async def scenario() -> None:
        async with opened(server.url) as store, opened(server.url) as writer:
            job = running()
            await writer.save(job)
            claim = await claimed(writer, job)
            following = asyncio.create_task(follow(store, job))
            for n in range(300):
                if n % 100 == 50:
                    server.kill()
                    await asyncio.to_thread(server.start)
                assert await writer.append_events(claim, batch(n))
            await writer.settle(ended(job), fence=claim.fence)
            assert await asyncio.wait_for(following, 10) == list(range(300))

    asyncio.run(scenario())


def test_a_connection_that_ended_silently_is_noticed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub, "QUIET_S", 0.2)

    async def scenario() -> None:
        way = Cutter(server.port)
        async with opened(await way.open()) as store:
            job = running()
            await store.save(job)
            wait = asyncio.create_task(store.wait_for_events(job.id, after=-1, timeout_s=60))
            await asyncio.sleep(0.7)
            assert not wait.done()  # the server was asked, and answered
            way.is_silent = True
            await asyncio.wait_for(wait, 2)
            way.is_silent = False
        await way.aclose()

    asyncio.run(scenario())


def test_no_subscription_without_a_reader(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels go when their response ends, and some time after the last waiter; one connection serves them all."""
    monkeypatch.setattr(pubsub, "QUIET_S", 0.1)
    monkeypatch.setattr(pubsub, "LINGER_S", 0.2)

    def channels() -> int:
        return server.ask("PUBSUB CHANNELS").count("{penstock}:w:")

    async def scenario() -> None:
        async with opened(server.url) as store:
            jobs = [running() for _ in range(20)]
            for job in jobs:
                await store.save(job)
            waits = [store.wait_for_events(job.id, after=-1, timeout_s=0.3) for job in jobs]
            waiting = asyncio.gather(*waits)
            await asyncio.sleep(0.2)
            assert channels() == 20
            assert server.ask("INFO clients").count("pubsub_clients:1") == server.ask("INFO clients").count("pubsub_")
            await waiting
            for job in jobs[:5]:
                await store.settle(ended(job))
            await asyncio.sleep(0.05)
            assert channels() == 15
            await asyncio.sleep(1)
            assert channels() == 0
            assert not store._pubsub._subscriptions

    asyncio.run(scenario())


def test_closing_wakes_waiting_readers_and_closes_every_connection(server: Server) -> None:
    async def scenario() -> None:
        store = RedisStore(server.url)
        job = running()
        await store.save(job)
        waits = [asyncio.create_task(store.wait_for_events(job.id, after=-1, timeout_s=60)) for _ in range(3)]
        await asyncio.sleep(0.1)
        save = asyncio.create_task(store.save(row := response()))
        await asyncio.sleep(0)
        await store.aclose()
        await asyncio.wait_for(asyncio.gather(*waits), 2)
        assert await save
        await asyncio.sleep(0.1)
        assert "connected_clients:1\r" in server.ask("INFO clients")
        async with opened(server.url) as other:
            assert ids([await other.response(ME, row.id)]) == [row.id]

    asyncio.run(scenario())


def test_connections_are_bounded(server: Server) -> None:
    async def scenario() -> None:
        async with opened(server.url) as store:
            rows = [running() for _ in range(300)]
            await asyncio.gather(*map(store.save, rows))
            await asyncio.gather(*(store.wait_for_events(row.id, after=-1, timeout_s=0.2) for row in rows))
            clients = server.ask("INFO clients").partition("connected_clients:")[2].partition("\r")[0]
            assert int(clients) <= pipeline.CONNECTIONS_MAX + 1

    asyncio.run(scenario())


def test_a_unix_socket(server: Server) -> None:
    async def scenario() -> None:
        async with opened(f"unix://{server.path}?db=1") as store:
            await store.save(row := response())
            assert await store.response(ME, row.id) == row

    asyncio.run(scenario())


def test_no_server_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "RETRY_S", 0.3)

    async def scenario() -> None:
        store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
        assert isinstance(await outcome(store.migrate()), ApiError)
        await store.aclose()

    asyncio.run(scenario())
