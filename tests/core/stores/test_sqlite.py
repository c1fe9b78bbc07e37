"""What is the SQLite store's own: group commit, indexes, the file. What all stores do is in the conformance suite."""

from __future__ import annotations

import asyncio
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.kit import LATER, ME, NOW, batch, claimed, conversation, ended, ids, items, response, running
from core.stores.kit import Open, beside
from penstock.ids import new_id
from penstock.ports import EventBatch, StoredItem, StoredResponse
from penstock.stores.sqlite import SqliteStore, read_pool
from requirements import shows


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Open]:
    with Open(tmp_path / "deep" / "er" / "store #1?.db") as at:
        yield at


def test_nothing_happens_before_the_first_call(tmp_path: Path) -> None:
    threads = threading.active_count()
    store = SqliteStore(tmp_path / "store.db")
    asyncio.run(store.aclose())
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads


def test_nothing_is_left_but_the_file(at: Open) -> None:
    """No thread, and no log beside it."""
    at.do(at.store.save(response()))
    at.do(at.store.response(ME, "resp_1"))
    at.do(at.store.aclose())
    assert [file.name for file in at.path.parent.iterdir()] == [at.path.name]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("penstock-sqlite")]


def test_the_file_is_for_its_owner_alone(at: Open) -> None:
    at.do(at.store.save(response()))
    files = list(at.path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_was_asked_of_the_disk(tmp_path: Path) -> None:
    with Open(tmp_path / "full.db") as at:
        assert at.inside("PRAGMA journal_mode") == [("wal",)]
        assert at.inside("PRAGMA synchronous") == [(2,)]
        assert at.inside("PRAGMA foreign_keys") == [(1,)]
    with Open(tmp_path / "normal.db", synchronous="NORMAL") as at:
        assert at.inside("PRAGMA synchronous") == [(1,)]


def test_what_waits_is_committed_together(at: Open) -> None:
    """The first one alone, all that came meanwhile in one more, or a few."""
    statements: list[str] = []
    at.do(at.store._writer.run(lambda db: db.set_trace_callback(statements.append), alone=True))

    async def save_all() -> None:
        await asyncio.gather(*(at.store.save(response()) for _ in range(200)))

    at.do(save_all())
    assert 1 <= statements.count("COMMIT") <= 20
    assert sum(text.startswith("INSERT INTO responses ") for text in statements) == 200


def test_who_stops_waiting_has_asked_all_the_same(at: Open) -> None:
    """What was asked for is done, and whatever waits for it gets the result, though the caller is cancelled."""
    known = running()
    at.do(at.store.save(known))
    claim = at.do(claimed(at.store, known))

    async def append_and_leave() -> None:
        waiting = asyncio.create_task(at.store.wait_for_events(known.id, after=-1, timeout_s=60))
        await asyncio.sleep(0.3)
        appending = asyncio.create_task(at.store.append_events(claim, batch(0)))
        await asyncio.sleep(0)
        appending.cancel()
        await asyncio.wait_for(waiting, 2)

    at.do(append_and_leave())
    assert at.do(at.store.events(known.id, after=-1)) == [batch(0)]


def test_nothing_polls_while_nothing_waits(at: Open) -> None:
    known = running()
    at.do(at.store.save(known))

    async def wait_twice() -> None:
        for _ in range(2):
            await at.store.wait_for_events(known.id, after=-1, timeout_s=0.05)
        polling = at.store._waiters._polling
        assert polling is not None
        await asyncio.wait_for(polling, 1)
        assert not at.store._waiters._waiters

    at.do(wait_twice())


def test_looking_that_fails_wakes_who_waits(at: Open, caplog: pytest.LogCaptureFixture) -> None:
    known = running()
    at.do(at.store.save(known))

    async def fail() -> int:
        raise RuntimeError("the disk is gone")

    at.store._waiters._version = fail
    at.do(asyncio.wait_for(at.store.wait_for_events(known.id, after=-1, timeout_s=60), 2))
    assert "the disk is gone" in caplog.text


def test_a_log_is_read_a_megabyte_at_a_time(at: Open) -> None:
    known = running()
    at.do(at.store.save(known))
    claim = at.do(claimed(at.store, known))
    for n in range(50):
        at.do(at.store.append_events(claim, EventBatch(n, b"x" * 100_000)))
    assert len(at.do(at.store.events(known.id, after=-1))) == 11
    assert len(at.do(at.store.events(known.id, after=40))) == 9


async def everything(store: SqliteStore) -> None:
    """Each method once, with something to find."""
    talk, known, turn = conversation(expires_at=LATER), running(previous_response_id="resp_0"), response()
    turn.conversation_id = talk.id
    await store.save_conversation(talk, some := items(3))
    await store.save(known)
    await store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60)
    assert await store.save(turn)
    await store.unlock_conversation(talk.id, writer=turn.id)
    claim = await claimed(store, known)
    assert await store.append_events(claim, batch(0))
    assert await store.events(known.id, after=-1)
    await store.wait_for_events(known.id, after=-1, timeout_s=1)
    assert not await store.renew([claim], until=NOW + 99)
    await store.release(claim)
    assert await store.unclaimed(now=NOW, limit=10)
    assert await store.settle(ended(known))
    assert await store.response(ME, known.id)
    assert await store.chain(ME, known.id, responses_max=10)
    assert await store.find_items(ME, ids(some + known.input))
    assert await store.update_conversation(ME, talk.id, b"{}")
    assert await store.conversation(ME, talk.id)
    assert await store.add_items(ME, talk.id, items(2))
    for order in ("asc", "desc"):
        assert await store.page_items(ME, talk.id, after=some[1].id, limit=1, order=order)
        how: Any = {"after": known.input[0].id, "order": order}
        assert await store.page_input_items(ME, known.id, responses_max=10, limit=1, **how)
    assert await store.delete_item(ME, talk.id, some[0].id)
    assert await store.sweep(now=NOW, limit=10) == 0
    assert await store.delete_conversation(ME, talk.id)
    assert await store.delete_response(ME, known.id)


def test_every_look_up_has_an_index(at: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement walks through a table, however it is reached."""
    monkeypatch.setattr(read_pool, "_THREADS", 1)
    executed: list[str] = []

    async def listen() -> None:
        await at.store._writer.run(lambda db: db.set_trace_callback(executed.append), alone=True)
        await at.store._readers.run(lambda db: db.set_trace_callback(executed.append))

    at.do(listen())
    at.do(everything(at.store))
    statements = {
        re.sub(r"\s+", " ", text) for text in executed if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", text)
    }
    assert len(statements) > 30
    with beside(at.path) as db:
        plans = {text: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")] for text in statements}
    tables = re.compile(r"SCAN (responses|response_items|events|leases|conversations|conversation_items|item|link)\b")
    walks = {text: plan for text, plan in plans.items() if any(map(tables.match, plan))}
    # An index of nothing but what runs in the background, in the order in which it is wanted, is walked.
    assert [plan[0] for plan in walks.values()] == ["SCAN responses USING INDEX responses_in_background"]
    assert all(sum(map(bool, map(tables.match, plan))) == 1 for plan in walks.values())


@pytest.mark.slow
def test_a_turn_costs_what_it_adds(at: Open) -> None:
    """The same rows at the two hundredth turn as at the first, in a chain and in a conversation."""
    talk, changes, last = conversation(), [], None
    at.do(at.store.save_conversation(talk, []))
    for _ in range(200):
        turn = response(conversation_id=talk.id, previous_response_id=last)
        last = turn.id
        at.do(at.store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60))
        [[before]] = at.inside("SELECT total_changes()")
        assert at.do(at.store.save(turn))
        [[after]] = at.inside("SELECT total_changes()")
        at.do(at.store.unlock_conversation(talk.id, writer=turn.id))
        changes.append(after - before)
    assert set(changes) == {5}


@shows("few-bytes-written")
def test_a_turn_of_many_items_writes_few_times_their_bytes(at: Open) -> None:
    """Each page that it changes stands in the log once, and once more in the file when the log is copied into it."""
    for _ in range(30):
        at.do(at.store.save(large_turn()))
    at.inside("PRAGMA wal_autocheckpoint = 0")
    at.inside("PRAGMA wal_checkpoint(TRUNCATE)")
    turn = large_turn()
    at.do(at.store.save(turn))
    log = at.path.with_name(f"{at.path.name}-wal").stat().st_size
    assert 2 * log <= 4 * sum(len(each.body) for each in turn.input)


def large_turn() -> StoredResponse:
    """A turn of 1,000 items of an agent, 400 bytes each, under ids as the server gives them."""
    fields = b'"type":"function_call_output","status":"completed","output":'
    bodies = [(new_id(prefix), fields) for _ in range(500) for prefix in ("fc_", "fco_")]
    given = [StoredItem(each, b'{"id":"%b",%b"%b"}' % (each.encode(), text, b"x" * 276)) for each, text in bodies]
    return response(id=new_id("resp_"), input=given)


@shows("turns-read-once")
def test_the_items_of_known_turns_are_not_read(at: Open) -> None:
    first = response()
    second = response(previous_response_id=first.id)
    for each in (first, second):
        at.do(at.store.save(each))
    known, read = at.do(at.store.chain(ME, second.id, responses_max=2, bytes_max=200, known={first.id}))
    assert (known.input, known.output) == ([], [])
    assert (read.input, read.output) == (second.input, second.output)
