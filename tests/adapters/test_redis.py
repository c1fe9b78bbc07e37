"""The Redis store's own: its keys and their expiry, its scripts, replies in pages, and what travels together."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from architecture.source import ROOT
from conformance.engines import Redis
from conformance.kit import (
    LATER,
    ME,
    NOW,
    OTHER,
    batch,
    claimed,
    conversation,
    ended,
    fresh,
    ids,
    item,
    items,
    log_after,
    response,
    running,
)
from penstock.errors import ApiError
from penstock_adapters.redis import RedisStore, conversations, events, maintenance, pipeline, responses
from penstock_adapters.redis.rows import pack, unpack
from penstock_adapters.redis.scripts import PREFIX
from support.missing import skipped_if_missing

MUCH_LATER = NOW + 7200


@pytest.fixture(scope="module")
def engine() -> Iterator[Redis]:
    engine = Redis()
    with skipped_if_missing():
        engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def store(engine: Redis, runner: asyncio.Runner) -> Iterator[RedisStore]:
    store = RedisStore(engine.location())
    runner.run(store.migrate())
    yield store
    runner.run(store.aclose())


@pytest.fixture
def trips(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands each round trip carries."""
    carried: list[int] = []
    exchange = pipeline.Pipeline._exchange

    async def counted(self: pipeline.Pipeline, commands: Any) -> list[Any]:
        carried.append(len(commands))
        return await exchange(self, commands)

    monkeypatch.setattr(pipeline.Pipeline, "_exchange", counted)
    return carried


async def keys(store: RedisStore) -> dict[str, int]:
    """Every key, without its beginning, and the time when it expires; -1 means never."""
    names = await store._pipeline.command("KEYS", "*")
    times = await asyncio.gather(*(store._pipeline.command("EXPIRETIME", name) for name in names))
    assert all(name.startswith(PREFIX.encode()) for name in names)
    return {name.decode().removeprefix(PREFIX): time for name, time in zip(names, times, strict=True)}


# Keys.


def test_every_key_of_a_row_expires_with_it(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        talk, turn, job = conversation(expires_at=LATER), response(expires_at=LATER), running(expires_at=LATER)
        await store.save_conversation(talk, items(2))
        turn.conversation_id = talk.id
        await store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60)
        await store.save(turn)
        await store.save(job)
        await store.append_events(await claimed(store, job), batch(0))
        times = await keys(store)
        indexes = {"schema", "expiry", "held"}
        assert indexes < set(times)
        assert {name for name, time in times.items() if time != LATER} == indexes

    runner.run(scenario())


def test_what_expired_by_itself_is_swept_from_the_indexes(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        before = await keys(store)
        soon = int(NOW) - 1
        await store.save(running(expires_at=soon))
        await store.save_conversation(conversation(expires_at=soon), items(2))
        assert set(await keys(store)) - set(before) == {"expiry", "free"}
        assert await store.unclaimed(now=NOW, limit=5) == []
        assert await store.sweep(now=NOW, limit=5) == 2
        assert await keys(store) == before

    runner.run(scenario())


def test_an_item_is_found_for_as_long_as_its_last_home_lives(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        key, shared = f"i:{ME}:shared", [item("shared")]
        short = response(expires_at=LATER, input=shared, output=[])
        long = response(expires_at=LATER + 50, input=shared, output=[])
        ever = response(input=shared, output=[])
        await store.save(short)
        assert (await keys(store))[key] == LATER
        await store.save(long)
        assert (await keys(store))[key] == LATER + 50
        await store.save(ever)
        assert (await keys(store))[key] == -1
        await store.delete_response(ME, ever.id)
        assert (await keys(store))[key] == LATER + 50
        await store.delete_response(ME, long.id)
        assert (await keys(store))[key] == LATER

    runner.run(scenario())


def test_homes_that_expired_by_themselves_do_not_heap_up(store: RedisStore, runner: asyncio.Runner) -> None:
    """A client that gives every message the same id must not make one index grow for ever."""

    async def scenario() -> None:
        key = f"{PREFIX}i:{ME}:shared"
        await store.save(response(input=[item("shared")]))
        for _ in range(20):
            await store.save(response(input=[item("shared")], expires_at=int(NOW) - 5))
        assert await store._pipeline.command("ZCARD", key) <= 2
        assert set(await store.find_items(ME, ["shared"])) == {"shared"}

    runner.run(scenario())


def test_an_owner_that_looks_like_part_of_a_key_sees_only_its_own(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        await store.save(response(owner="a:b", input=[item("c")], output=[]))
        await store.save_conversation(conversation(owner="a:b"), [item("d")])
        assert await store.find_items("a", ["b:c", "b:d"]) == {}
        assert set(await store.find_items("a:b", ["c", "d"])) == {"c", "d"}

    runner.run(scenario())


def test_a_turn_costs_what_it_adds(store: RedisStore, runner: asyncio.Runner) -> None:
    """In keys, and in what the server does for it, after 10 turns and after 500."""

    async def scenario() -> None:
        talk, previous, sizes = conversation(), None, []
        await store.save_conversation(talk, [])
        for _ in range(500):
            turn = response(conversation_id=talk.id, previous_response_id=previous)
            await store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60)
            assert await store.save(turn)
            await store.unlock_conversation(talk.id, writer=turn.id)
            previous = turn.id
            sizes.append(await store._pipeline.command("MEMORY", "USAGE", f"{PREFIX}r:{turn.id}"))
        assert max(sizes) - min(sizes) < 100
        assert len(await keys(store)) == 500 * 3 + 4

    runner.run(scenario())


# Replies in pages, and slices of long work.


def test_long_replies_come_in_pages(
    store: RedisStore, runner: asyncio.Runner, trips: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "REPLY_BYTES_MAX", 2_000)
    monkeypatch.setattr(responses, "ITEM_IDS_MAX", 7)
    monkeypatch.setattr(conversations, "PAGE_ITEMS_MAX", 3)
    monkeypatch.setattr(conversations, "PAGE_BYTES_MAX", 2_000)
    monkeypatch.setattr(events, "BATCHES_MAX", 3)
    monkeypatch.setattr(events, "EVENT_BYTES_MAX", 100)
    monkeypatch.setattr(events, "UNCLAIMED_BYTES_MAX", 100)
    monkeypatch.setattr(events, "CLAIMS_MAX", 2)

    async def scenario() -> None:
        rows = [response(input=[item(body=b"x" * 500)]) for _ in range(20)]
        for before, row in pairwise(rows):
            row.previous_response_id = before.id
        await asyncio.gather(*map(store.save, rows))
        await store.chain(ME, rows[0].id, responses_max=1)
        await store.page_input_items(ME, rows[0].id, responses_max=1, limit=1)
        trips.clear()
        assert ids(await store.chain(ME, rows[-1].id, responses_max=20)) == ids(rows)
        assert len(trips) == 5
        listed = [each for row in rows for each in (*row.input, *row.output)][:-1]
        for order in ("asc", "desc"):
            how: Any = {"limit": 30, "order": order}
            trips.clear()
            page = await store.page_input_items(ME, rows[-1].id, responses_max=20, **how)
            assert page is not None
            assert (page.items, page.has_more) == ((listed if order == "asc" else listed[::-1])[:30], True)
            assert len(trips) == 4
        wanted = [each.id for row in rows for each in (*row.input, *row.output)]
        assert set(await store.find_items(ME, wanted)) == set(wanted)

        talk, some = conversation(), [item(body=b"x" * 900) for _ in range(10)]
        await store.save_conversation(talk, some)
        for order in ("asc", "desc"):
            page = await store.page_items(ME, talk.id, order=order)  # type: ignore[arg-type]
            assert page is not None
            assert (page.items, page.has_more) == (some if order == "asc" else some[::-1], False)
        page = await store.page_items(ME, talk.id, after=some[1].id, limit=7)
        assert page is not None
        assert (page.items, page.has_more) == (some[2:9], True)

        jobs = [running() for _ in range(5)]
        await asyncio.gather(*map(store.save, jobs))
        assert 1 <= len(await store.unclaimed(now=NOW, limit=5)) < 5
        claims = [await claimed(store, job) for job in jobs]
        for n in range(10):
            await store.append_events(claims[0], batch(n * 10, 10))
        assert len(await store.events(jobs[0].id, after=-1)) < 4
        assert await log_after(store, jobs[0].id, -1) == list(range(100))
        await store.release(claims[3])
        assert await store.renew(claims, until=NOW + 90) == {jobs[3].id}

    runner.run(scenario())


def test_an_item_that_is_deleted_between_two_pages_does_not_end_the_list(
    store: RedisStore, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "PAGE_ITEMS_MAX", 1)

    async def scenario() -> None:
        talk, some = conversation(), items(40)
        await store.save_conversation(talk, some)
        reading = asyncio.create_task(store.page_items(ME, talk.id))
        for each in some:
            await store.delete_item(ME, talk.id, each.id)
        page = await reading
        assert page is not None
        assert not page.has_more

    runner.run(scenario())


def test_a_long_conversation_is_removed_in_slices(store: RedisStore, runner: asyncio.Runner, trips: list[int]) -> None:
    async def scenario() -> None:
        before = await keys(store)
        for talk in (conversation(), conversation(expires_at=LATER)):
            await store.save_conversation(talk, items(1_200))
            trips.clear()
            assert await store.delete_conversation(ME, talk.id)
        assert len(trips) == 3
        assert await keys(store) == before

        await store.save_conversation(swept := conversation(expires_at=LATER), items(1_200))
        await store.save(response(expires_at=LATER))
        assert await store.sweep(now=MUCH_LATER, limit=9) == 2
        assert await store.conversation(ME, swept.id) is None
        assert await keys(store) == before

    runner.run(scenario())


def test_a_removal_that_a_crash_cut_short_is_ended_by_a_sweep(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        before = await keys(store)
        talk, some = conversation(), items(1_200)
        await store.save_conversation(talk, some)
        assert await store._pipeline.run("delete_conversation", talk.id, ME) == 2
        assert await store.conversation(ME, talk.id) is None
        assert await store.page_items(ME, talk.id) is None
        assert await store.add_items(ME, talk.id, items(1)) is False
        assert await store.find_items(ME, [some[-1].id]) == {}
        assert await store.lock_conversation(talk.id, writer="resp", now=NOW, until=NOW + 9) is False
        assert await store.delete_conversation(ME, talk.id) is False
        assert await store.sweep(now=NOW, limit=5) == 1
        assert await keys(store) == before

    runner.run(scenario())


# What is asked at the same time travels together.


def test_many_saves_are_few_round_trips(store: RedisStore, runner: asyncio.Runner, trips: list[int]) -> None:
    async def scenario() -> None:
        await store.save(response())
        trips.clear()
        assert all(await asyncio.gather(*(store.save(response()) for _ in range(100))))
        assert sum(trips) == 100
        assert len(trips) <= pipeline.CONNECTIONS_MAX

    runner.run(scenario())


def test_a_chain_is_one_round_trip_and_so_is_a_page_of_it(
    store: RedisStore, runner: asyncio.Runner, trips: list[int]
) -> None:
    async def scenario() -> None:
        rows = [response() for _ in range(1_000)]
        for before, row in pairwise(rows):
            row.previous_response_id = before.id
        await asyncio.gather(*map(store.save, rows))
        await store.chain(ME, rows[0].id, responses_max=1)
        await store.page_input_items(ME, rows[0].id, responses_max=1, limit=1)
        trips.clear()
        assert len(await store.chain(ME, rows[-1].id, responses_max=1_000)) == 1_000
        page = await store.page_input_items(ME, rows[-1].id, responses_max=1_000, limit=100)
        assert page is not None
        assert page.has_more
        assert trips == [1, 1]

    runner.run(scenario())


def test_a_cancelled_wait_does_not_affect_others(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        rows = [response() for _ in range(50)]
        saves = [asyncio.create_task(store.save(row)) for row in rows]
        await asyncio.sleep(0)
        for save in saves[::2]:
            save.cancel()
        done = await asyncio.gather(*saves, return_exceptions=True)
        assert done[1::2] == [True] * 25
        assert all([await store.response(ME, row.id) for row in rows[1::2]])

    runner.run(scenario())


def test_there_is_an_end_to_waiting_calls(
    store: RedisStore, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "WAITING_MAX", 10)

    async def scenario() -> None:
        done = await asyncio.gather(*(store.save(response()) for _ in range(20)), return_exceptions=True)
        refused = [error for error in done if isinstance(error, ApiError)]
        assert (len(refused), {error.status for error in refused}) == (10, {503})
        assert await store.save(response())

    runner.run(scenario())


# Scripts, and what they refuse.


def test_a_server_that_forgot_the_scripts_learns_them_again(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        for _ in range(3):
            await store._pipeline.command("SCRIPT", "FLUSH")
            row = response()
            assert all(await asyncio.gather(store.save(row), *(store.save(response()) for _ in range(20))))
            assert ids(await store.chain(ME, row.id, responses_max=1)) == [row.id]

    runner.run(scenario())


def test_an_id_is_given_once(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        row, talk = response(), conversation()
        await store.save(row)
        await store.save_conversation(talk, [])
        with pytest.raises(ValueError, match="that id"):
            await store.save(row)
        with pytest.raises(ValueError, match="that id"):
            await store.save(response(id=row.id, owner=OTHER))
        with pytest.raises(ValueError, match="that id"):
            await store.save_conversation(talk, [])

    runner.run(scenario())


def test_events_out_of_order_are_a_bug_that_is_reported(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        job = running()
        await store.save(job)
        claim = await claimed(store, job)
        await store.append_events(claim, batch(5, 3))
        with pytest.raises(Exception, match="equal or smaller"):
            await store.append_events(claim, batch(2, 3))
        assert await log_after(store, job.id, -1) == [5, 6, 7]

    runner.run(scenario())


def test_an_ended_lease_is_removed_from_every_index(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        before = await keys(store)
        job, waiting = running(), running(background=False)
        await store.save(job)
        await store.save(waiting)
        claim = await claimed(store, job, for_s=10)
        await store.claim(waiting.id, now=NOW, until=NOW + 10)
        assert ids(await store.unclaimed(now=NOW + 10, limit=9)) == [job.id]
        assert ids(await store.unclaimed(now=NOW, limit=9)) == []  # by a clock that is behind the other one
        assert ids(await store.unclaimed(now=NOW + 10, limit=9)) == [job.id]
        assert await store.renew([claim], until=NOW + 60) == set()
        assert await store.unclaimed(now=NOW + 10, limit=9) == []
        await store.settle(ended(job), fence=claim.fence)
        assert {"free", "held"}.isdisjoint(await keys(store))
        await store.delete_response(ME, job.id)
        await store.delete_response(ME, waiting.id)
        assert await keys(store) == before

    runner.run(scenario())


def test_items_are_packed_without_loss() -> None:
    some = [item("", b""), item("ä", bytes(range(256)) * 300), item("x" * 300, b"{}")]
    assert unpack(pack(some)) == some
    assert unpack(pack([])) == []


# The start.


def test_the_schema_of_a_newer_one_is_refused(store: RedisStore, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        await asyncio.gather(*(store.migrate() for _ in range(5)))
        await store._pipeline.command("SET", f"{PREFIX}schema", "2")
        with pytest.raises(RuntimeError, match="newer Penstock"):
            await store.migrate()

    runner.run(scenario())


def test_an_old_server_is_refused(store: RedisStore, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "VERSION_MIN", (99, 1))
    with pytest.raises(RuntimeError, match=r"needs Redis 99\.1 or newer; this is "):
        runner.run(store.migrate())


def test_stats_walk_over_many_keys(store: RedisStore, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "SCANNED_AT_A_TIME", 10)

    async def scenario() -> None:
        await asyncio.gather(*(store.save(response()) for _ in range(60)))
        await store.save_conversation(conversation(), items(3))
        await store._pipeline.command("SET", "r:somebody-elses", "key")
        stats = await store.stats()
        assert stats.pop("bytes") > 10_000
        assert stats == {"responses": 60, "conversations": 1, "items": 123, "event_logs": 0, "marks": 0}

    runner.run(scenario())


@pytest.mark.parametrize("url", ["valkey://127.0.0.1:{port}/0", "redis://127.0.0.1:{port}/0?socket_timeout=7"])
def test_urls(engine: Redis, runner: asyncio.Runner, url: str) -> None:
    async def scenario() -> None:
        engine.location()
        store = RedisStore(url.format(port=engine.port))
        await store.migrate()
        await store.save(row := response())
        assert await store.response(ME, row.id) == row
        await store.aclose()

    runner.run(scenario())


@pytest.mark.parametrize("url", ["redis://me:s3cr/et@127.0.0.1:1/0", "http://me:s3cr@127.0.0.1/"])
def test_a_url_stays_secret(url: str) -> None:
    store = RedisStore(url)
    assert "s3cr" not in repr(vars(store)) + repr(vars(store._pipeline))
    with pytest.raises((ValueError, ApiError)) as caught:
        asyncio.run(store.response(ME, fresh("resp")))
    assert "s3" not in str(caught.value)


def test_importing_it_does_not_import_redis() -> None:
    code = "import json, sys, penstock_adapters.redis; print(json.dumps(sorted(sys.modules)))"
    path = os.pathsep.join([str(ROOT / "core"), str(ROOT / "adapters")])
    run = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, check=True)
    assert not {"redis", "hiredis"} & set(json.loads(run.stdout))
