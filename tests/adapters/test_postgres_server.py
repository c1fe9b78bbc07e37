"""The PostgreSQL store in front of a real server: what the suite of the port does not ask, since it is only this one's.

The schema, the plans, the pool, news that get lost, and a server that goes away under load.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from conformance.kit import EXPIRED, ME, NOW, batch, claimed, conversation, ended, fresh, item, items, response, running
from conformance.servers import ENDS_WITHIN_S, Process, free_port, program, remove, unprivileged
from penstock.errors import ApiError
from penstock.ports import Claim, StoredResponse
from penstock_adapters.postgres import PostgresStore, conversations, events, leases, maintenance, responses
from support.missing import skipped_if_missing
from support.waiting import until

T = TypeVar("T")


class Server:
    """A PostgreSQL of these tests' own, which they may stop and start."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="penstock-postgres-"))
        self.port = free_port()
        self._numbers = count(1)
        self._run_as, data = unprivileged(self.directory), str(self.directory / "data")
        initdb = [program("initdb"), "-D", data, "-U", "penstock", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*self._run_as, *initdb], cwd=self.directory, check=True, stdout=subprocess.DEVNULL)
        self.start()

    def start(self) -> None:
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.directory)]
        options += ["-c", "fsync=off"]  # the kernel survives, and a recovery that syncs each file takes a minute
        command = [*self._run_as, program("postgres"), "-D", str(self.directory / "data"), *options]
        self.process = Process(command, self.directory)
        self.process.until(lambda: self.ask("SELECT 1") == "1")

    def crash(self) -> None:
        """As a power failure would: without a message to any client, and with recovery at the next start."""
        self.process.running.send_signal(signal.SIGQUIT)
        self.process.running.wait(ENDS_WITHIN_S)

    def location(self, settings: str = "") -> str:
        """A new database."""
        name = f"place{next(self._numbers)}"
        self.ask(f"CREATE DATABASE {name}")
        return f"postgresql://penstock@127.0.0.1:{self.port}/{name}?{settings}"

    def ask(self, sql: str, location: str = "/postgres") -> str:
        name = location.rpartition("/")[2].partition("?")[0]
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "penstock", "-d", name]
        run = subprocess.run([program("psql"), *where, "-Atqc", sql], capture_output=True, text=True, check=False)
        return run.stdout.strip() or run.stderr.strip()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with skipped_if_missing():
        server = Server()
    yield server
    server.process.end()
    remove(server.directory)


@asynccontextmanager
async def opened(*locations: str) -> AsyncIterator[list[PostgresStore]]:
    stores = [PostgresStore(location) for location in locations]
    try:
        for store in stores:
            await store.migrate()
        yield stores
    finally:
        for store in stores:
            await store.aclose()


def run(test: Callable[[], Awaitable[T]]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(300):
            return await test()

    return asyncio.run(bounded())


# The schema.


def test_many_replicas_may_migrate_at_once(server: Server) -> None:
    location = server.location()

    async def start() -> None:
        stores = [PostgresStore(location) for _ in range(20)]
        await asyncio.gather(*(store.migrate() for store in stores))
        assert await stores[0].save(response())
        await stores[0].aclose()

    run(start)
    assert server.ask("SELECT count(*) = max(number) FROM penstock.migrations", location) == "t"


def test_two_schemas_of_one_database_are_two_stores(server: Server) -> None:
    location, known = server.location(), response()

    async def save_and_read() -> None:
        async with opened(location, location + "schema=other") as (one, other):
            await one.save(known)
            assert await one.response(ME, known.id) == known
            assert await other.response(ME, known.id) is None

    run(save_and_read)


def test_a_schema_of_a_newer_version_is_refused(server: Server) -> None:
    location = server.location()

    async def start() -> None:
        async with opened(location):
            pass

    run(start)
    server.ask("INSERT INTO penstock.migrations VALUES (9999)", location)
    with pytest.raises(RuntimeError, match=r"newer Penstock .*9999"):
        run(start)


def test_a_user_without_rights_over_the_schema_serves_one_that_is_up_to_date(server: Server) -> None:
    location = server.location()
    guest = location.replace("penstock@", "guest@")

    async def start(url: str) -> None:
        async with opened(url) as [store]:
            assert await store.save(response())

    run(lambda: start(location))
    server.ask("CREATE ROLE guest LOGIN; REVOKE CREATE ON SCHEMA public FROM public", location)
    grant = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA penstock"
    server.ask(f"GRANT USAGE ON SCHEMA penstock TO guest; GRANT {grant} TO guest", location)
    run(lambda: start(guest))


# What a statement costs.

ITEMS: tuple[Any, ...] = (["a"], [b"b"])
RESPONSE: tuple[Any, ...] = ("r", ME, "completed", 1, None, None, "c", True, b"", b"", *ITEMS, 1)
STATEMENTS: list[tuple[str, tuple[Any, ...]]] = [
    (responses.SAVE, RESPONSE),
    (responses.SAVE_IN_CONVERSATION, RESPONSE),
    (responses.SETTLE, ("r", ME, "failed", b"", None, *ITEMS)),
    (responses.SETTLE_IN_CONVERSATION, ("r", ME, "completed", b"", 1, *ITEMS)),
    (responses.READ, (ME, "r")),
    (responses.DELETE, (ME, "r")),
    (responses.CHAIN, (ME, "r", 10, 1_000)),
    (responses.INPUT_PAGE["asc"], (ME, "r", 10, "a", 21)),
    (responses.INPUT_PAGE["desc"], (ME, "r", 10, None, 21)),
    (responses.FIND_ITEMS, (ME, ["a"], 1_000)),
    (events.APPEND, ("r", 1, 0, b"")),
    (events.EVENTS, ("r", 0)),
    (events.IS_QUIET, ("r", 0)),
    (leases.CLAIM, ("r", 0.0, 1.0)),
    (leases.RENEW, (["r"], [1], 1.0)),
    (leases.RELEASE, ("r", 1)),
    (leases.UNCLAIMED, (0.0, 10)),
    (conversations.SAVE, ("c", ME, 1, None, b"", *ITEMS)),
    (conversations.READ, (ME, "c")),
    (conversations.UPDATE, (ME, "c", b"")),
    (conversations.DELETE, (ME, "c")),
    (conversations.ADD, (ME, "c", *ITEMS)),
    (conversations.DELETE_ITEM, (ME, "c", "a")),
    (conversations.PAGE["asc"], (ME, "c", "a", 10, 1_000)),
    (conversations.PAGE["desc"], (ME, "c", None, None, None)),
    (conversations.LOCK, ("c", "r", 0.0, 1.0)),
    (conversations.UNLOCK, ("c", "r")),
    *((sql, (1, 10)) for sql in maintenance.SWEEPS),
    (maintenance.MARK, (ME, "mcpr_1", 1)),
]


def test_every_look_up_has_an_index(server: Server) -> None:
    """With sequential scans forbidden, the planner takes one only where there is no other way."""

    async def explain() -> None:
        async with opened(server.location("options=-cenable_seqscan%3Doff")) as [store]:
            for sql, values in STATEMENTS:
                plan = [row["QUERY PLAN"] for row in await store._database.read(f"EXPLAIN {sql}", *values)]
                assert not [line for line in plan if "Seq Scan" in line], "\n".join([sql, *plan])

    run(explain)


def test_a_wrong_number_of_values_is_a_bug_and_no_outage(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        async with opened(server.location()) as [store]:
            for call in (store._database.read, store._database.change):
                with pytest.raises(asyncpg.InterfaceError, match="expects 2 arguments"):
                    await call("SELECT $1::text, $2::text", "one")
            [row] = await store._database.read("SELECT 1 AS one")
            assert row["one"] == 1

    run(ask)
    assert not [record for record in caplog.records if record.name == "penstock.postgres"]


def test_round_trips(server: Server) -> None:
    """Each method is one, a chain of any length included."""
    asked: list[str] = []

    async def count_them() -> None:
        async with opened(server.location()) as [store]:
            fetch = store._database._fetch

            async def counted(sql: str, values: tuple[object, ...]) -> Any:
                asked.append(sql)
                return await fetch(sql, values)

            store._database._fetch = counted  # type: ignore[method-assign]
            room, last = conversation(), None
            await store.save_conversation(room, items(3))
            for _ in range(50):
                known = response(previous_response_id=last)
                last = known.id
                assert await store.save(known)
            assert len(await store.chain(ME, known.id, responses_max=50)) == 50
            assert await store.page_input_items(ME, known.id, responses_max=50, limit=20)
            member = running(conversation_id=room.id)
            assert await store.save(member)
            assert await store.lock_conversation(room.id, writer=member.id, now=NOW, until=NOW + 9)
            assert await store.settle(ended(member))
            assert await store.page_items(ME, room.id, limit=2)
            assert await store.find_items(ME, [member.input[0].id, known.output[0].id])

    run(count_them)
    assert len(asked) == 1 + 50 + 1 + 1 + 4 + 1


def test_the_pool_has_its_bound(server: Server) -> None:
    location = server.location("connections_max=2")

    async def crowd() -> int:
        async with opened(location) as [store]:
            assert all(await asyncio.gather(*(store.save(response()) for _ in range(50))))
            [row] = await store._database.read(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            )
            return int(row["count"])

    assert run(crowd) <= 2


def test_a_statement_has_its_time(server: Server) -> None:
    """A row that is locked: the statement gives up with an error, and the connection serves the next."""

    async def hang() -> None:
        async with opened(server.location("statement_timeout_s=0.3&connections_max=1")) as [store]:
            with pytest.raises(ApiError) as raised:
                await store._database.change("SELECT pg_sleep(20)")
            assert raised.value.status == 503
            assert await store.save(response())

    run(hang)


def test_a_disconnect_in_the_middle_does_not_damage_the_pool(server: Server) -> None:
    async def leave() -> None:
        async with opened(server.location("connections_max=2")) as [store]:
            for turn in range(60):
                tasks = [asyncio.create_task(store.save(response())) for _ in range(5)]
                await asyncio.sleep(turn / 10_000)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            assert all(await asyncio.gather(*(store.save(response()) for _ in range(10))))

    run(leave)


# What no row can have, and what is a bug.


@pytest.mark.parametrize("odd", ["resp_\0", "resp_\ud800", "resp_" + "x" * 100_000])
def test_ids_that_cannot_be(server: Server, odd: str) -> None:
    async def ask() -> None:
        async with opened(server.location()) as [store]:
            assert await store.response(ME, odd) is None
            assert await store.chain(ME, odd, responses_max=3) == []
            assert await store.page_input_items(ME, odd, responses_max=3, limit=1) is None
            assert await store.find_items(ME, [odd]) == {}
            room = conversation()
            await store.save_conversation(room, items(1))
            assert await store.page_items(ME, room.id, after=odd) is None
            await store.save(known := response())
            assert await store.page_input_items(ME, known.id, responses_max=3, limit=1, after=odd) is None

    run(ask)


@pytest.mark.parametrize("odd", ["msg_\0", "msg_\ud800", "msg_" + os.urandom(5_000).hex()])
def test_an_item_whose_id_cannot_be_is_refused_as_the_clients_mistake(server: Server, odd: str) -> None:
    async def ask() -> None:
        async with opened(server.location()) as [store]:
            with pytest.raises(ApiError) as raised:
                await store.save(response(input=[item(odd, b"")]))
            assert raised.value.status == 400
            assert (await store.stats())["responses"] == 0

    run(ask)


@pytest.mark.parametrize("after", [-(10**30), 2**63 - 1, 10**30])
def test_numbers_of_any_size(server: Server, after: int) -> None:
    async def ask() -> None:
        async with opened(server.location()) as [store]:
            known = running()
            await store.save(known)
            await store.append_events(await claimed(store, known), batch(0))
            assert len(await store.events(known.id, after=after)) == 1
            await store.wait_for_events(known.id, after=after, timeout_s=0)

    run(ask)


def test_a_bug_is_not_reported_as_an_unavailable_store(server: Server) -> None:
    async def save_twice() -> None:
        async with opened(server.location()) as [store]:
            known = response()
            await store.save(known)
            with pytest.raises(Exception, match="duplicate key") as raised:
                await store.save(known)
            assert not isinstance(raised.value, ApiError)

    run(save_twice)


# Notifications.


async def append_and_wait(writer: PostgresStore, reader: PostgresStore, first: int, claim: Claim) -> float:
    """The seconds from a batch to its reader on another replica."""
    waiting = asyncio.create_task(reader.wait_for_events(claim.response_id, after=first - 1, timeout_s=30))
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    assert await writer.append_events(claim, batch(first))
    await waiting
    return asyncio.get_running_loop().time() - began


def test_lost_notifications_are_found_by_looking(server: Server) -> None:
    """Listening connections are cut, and one comes back, without a request."""
    location = server.location()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^(LISTEN|SELECT pg_notify)'"

    async def lose() -> None:
        async with opened(location, location) as (writer, reader):
            known = running()
            await writer.save(known)
            claim = await claimed(writer, known)
            assert await append_and_wait(writer, reader, 0, claim) < events.LOOK_S
            assert "t" in await asyncio.to_thread(server.ask, cut, location)
            assert await append_and_wait(writer, reader, 1, claim) < events.LOOK_S + 1
            await asyncio.sleep(1.5)
            assert await append_and_wait(writer, reader, 2, claim) < events.LOOK_S / 2

    run(lose)


def test_a_hundred_readers_share_a_connection(server: Server) -> None:
    location = server.location("connections_max=2")

    async def read() -> int:
        async with opened(location, location) as (writer, reader):
            rows = [running() for _ in range(100)]
            for row in rows:
                await writer.save(row)
            waiting = [
                asyncio.create_task(reader.wait_for_events(row.id, after=-1, timeout_s=30))
                for row in rows
                for _ in "ab"
            ]
            await asyncio.sleep(0.5)
            [connected] = await reader._database.read(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            )
            for row in rows:
                await writer.settle(ended(row))
            await asyncio.gather(*waiting)
            assert not reader._notifications._readers
            return int(connected["count"])

    assert run(read) <= 2 + 2 + 1


# Many at once.


def test_replicas_sweep_together(server: Server) -> None:
    location = server.location()

    async def sweep() -> None:
        async with opened(location, location) as stores:
            await asyncio.gather(*(stores[0].save(response(expires_at=EXPIRED)) for _ in range(700)))
            await asyncio.gather(
                *(stores[0].save_conversation(conversation(expires_at=EXPIRED), items(3)) for _ in range(100))
            )
            swept = [0, 0]
            for _ in range(10):  # rows that the other holds are left for the next time
                for n, some in enumerate(await asyncio.gather(*(store.sweep(now=NOW, limit=300) for store in stores))):
                    assert some <= 300
                    swept[n] += some
            assert sum(swept) == 800
            left = await stores[0].stats()
            assert (left["responses"], left["conversations"], left["items"]) == (0, 0, 0)

    run(sweep)


def test_nothing_remains_when_an_end_meets_a_deletion(server: Server) -> None:
    """Batches and output that are written while their response is being deleted go with it."""
    location = server.location()

    async def race() -> None:
        async with opened(location, location) as (runner, client):
            for _ in range(100):
                known = running()
                await runner.save(known)
                claim = await claimed(runner, known)
                await asyncio.gather(
                    runner.append_events(claim, batch(0)),
                    runner.append_events(claim, batch(1)),
                    runner.settle(ended(known), fence=claim.fence),
                    client.delete_response(ME, known.id),
                )
            left = await client.stats()
            assert not {name: number for name, number in left.items() if number and name != "bytes"}

    run(race)


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_a_server_that_stops_under_load(server: Server, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Every save is acknowledged, and then it is there, or fails as 503; and all goes on by itself afterwards.

    In each of three outages, each of two stores logs a reason once.
    """
    location = server.location()

    async def load() -> None:
        stored: list[str] = []
        failures: list[ApiError] = []
        is_over = asyncio.Event()

        async def saver(store: PostgresStore) -> None:
            while not is_over.is_set():
                known = response(id=fresh("resp"), body=b"x" * 4_000)
                try:
                    assert await store.save(known)
                    stored.append(known.id)
                    assert await store.response(ME, known.id) == known
                except ApiError as error:
                    failures.append(error)
                    await asyncio.sleep(0.01)

        async with opened(location, location) as stores:
            savers = [asyncio.create_task(saver(store)) for store in stores for _ in range(4)]
            known = running()
            await stores[0].save(known)
            claim = await claimed(stores[0], known)
            reader = asyncio.create_task(follow(stores[0], stores[1], known, claim, is_over))
            for _ in range(3):
                await asyncio.sleep(0.2)
                await asyncio.to_thread(server.crash if how == "crash" else server.process.end)
                await asyncio.sleep(0.1)
                await asyncio.to_thread(server.start)
                await asyncio.to_thread(until, partial(_has_grown, stored, len(stored) + 100), 60)
            is_over.set()
            await asyncio.gather(*savers)
            assert await reader
            assert {(error.status, error.type, error.retriable) for error in failures} == {(503, "server_error", True)}
            await patiently(partial(stores[1].response, ME, stored[0]))
            there = [await patiently(partial(stores[1].response, ME, response_id)) for response_id in stored]
            assert all(there)

    run(load)
    lines = Counter(record.getMessage() for record in caplog.records if record.name.endswith("notifications"))
    assert lines and max(lines.values()) <= 6, lines


def _has_grown(stored: list[str], number: int) -> bool:
    return len(stored) >= number


async def follow(
    writer: PostgresStore, reader: PostgresStore, known: StoredResponse, claim: Claim, is_over: asyncio.Event
) -> bool:
    """A background run and its reader on another replica, which both try again: the log has neither gap nor repeat."""
    result = 0
    while not is_over.is_set():
        with suppress(ApiError):
            last = [each.first for each in await reader.events(known.id, after=result - 1)]
            if result not in last:  # an append that failed may have been made
                assert await writer.append_events(claim, batch(result))
            await reader.wait_for_events(known.id, after=result - 1, timeout_s=5)
            assert [each.first for each in await reader.events(known.id, after=result - 1)] == [result]
            result += 1
        await asyncio.sleep(0.01)
    assert await patiently(partial(writer.settle, ended(known), fence=claim.fence))
    return result > 3


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of a store that may still rest after its last failed attempt to connect: it comes by itself."""
    for _ in range(100):
        with suppress(ApiError):
            return await ask()
        await asyncio.sleep(0.1)
    return await ask()
