"""Starts and ends of stores: many replicas at once, again and again, with nothing lost between."""

from __future__ import annotations

import asyncio

import pytest

from conformance.engines import Engine
from conformance.kit import ME, NOW, batch, claimed, conversation, ended, items, log_after, response, running
from penstock.ports import Store, StoredResponse
from requirements import shows


async def test_many_replicas_start_at_once(engine: Engine, location: str, runner: asyncio.Runner) -> None:
    """On an empty place; each may work as soon as it is ready itself."""
    stores = [engine.open(location) for _ in range(8)]

    async def start(store: Store) -> None:
        await store.migrate()
        assert await store.save(known := response())
        assert await store.response(ME, known.id) == known

    await asyncio.gather(*map(start, stores))
    assert (await stores[0].stats())["responses"] == 8
    await asyncio.gather(*(store.aclose() for store in stores))


async def test_migrating_again_changes_nothing(stores: tuple[Store, Store], engine: Engine, location: str) -> None:
    await stores[0].save(known := response())
    before = engine.rows(location)
    for store in stores * 2:
        await store.migrate()
    assert await stores[1].response(ME, known.id) == known
    assert engine.rows(location) == before


async def test_a_store_that_was_never_used_closes(engine: Engine, location: str, runner: asyncio.Runner) -> None:
    store = engine.open(location)
    await store.aclose()
    await store.aclose()


async def test_all_is_there_after_a_restart(engine: Engine, location: str, runner: asyncio.Runner) -> None:
    if not engine.is_durable:
        pytest.skip("it ends with its process")
    store = engine.open(location)
    await store.migrate()
    done, runs, talk, talked = response(), running(), conversation(), items(3)
    turn = response(conversation_id=talk.id, previous_response_id=done.id)
    for row in (done, runs):
        await store.save(row)
    await store.save_conversation(talk, talked)
    await store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60)
    assert await store.save(turn)
    claim = await claimed(store, runs)
    await store.append_events(claim, batch(0, 3))
    await store.append_events(claim, batch(3, 2))
    await store.aclose()

    again = engine.open(location)
    await again.migrate()
    for row in (done, runs, turn):
        assert await again.response(ME, row.id) == row
    assert [row.id for row in await again.chain(ME, turn.id, responses_max=2)] == [done.id, turn.id]
    page = await again.page_items(ME, talk.id)
    assert page is not None
    assert page.items == talked + turn.input + turn.output
    assert await log_after(again, runs.id, -1) == [0, 1, 2, 3, 4]
    assert await again.lock_conversation(talk.id, writer=runs.id, now=NOW, until=NOW + 60) is False
    assert await again.claim(runs.id, now=NOW, until=NOW + 60) is None
    assert await again.settle(ended(runs), fence=claim.fence)
    await again.aclose()


async def test_what_was_acknowledged_before_the_end_is_there(
    engine: Engine, location: str, runner: asyncio.Runner
) -> None:
    """A store that is closed at work does what it has begun, or reports that it did not."""
    if not engine.is_durable:
        pytest.skip("it ends with its process")
    store = engine.open(location)
    await store.migrate()
    rows = [response() for _ in range(100)]
    saves = [asyncio.create_task(store.save(row)) for row in rows]
    await asyncio.sleep(0)
    await store.aclose()
    results = await asyncio.wait_for(asyncio.gather(*saves, return_exceptions=True), 10)
    again = engine.open(location)
    await again.migrate()
    for row, result in zip(rows, results, strict=True):
        if result is True:
            assert await again.response(ME, row.id) == row
    await again.aclose()


@shows("starts-again")
def test_a_store_that_was_closed_opens_again(engine: Engine, location: str) -> None:
    """In the same event loop or another, also where followers waited in the one before: nothing is lost."""
    store = engine.open(location)
    saved: list[StoredResponse] = []

    async def use() -> None:
        await store.migrate()
        assert [await store.response(ME, row.id) for row in saved] == saved
        runs = running()
        await store.save(runs)
        saved.append(runs)
        claim = await claimed(store, runs)
        for first in (0, 3):
            waiting = [store.wait_for_events(row.id, after=first - 1, timeout_s=5) for row in [*saved, runs] * 2]
            following = asyncio.gather(*waiting, return_exceptions=True)
            await asyncio.sleep(0.05)
            await store.append_events(claim, batch(first, 3))
            if first == 0:
                assert await log_after(store, runs.id, -1) == [0, 1, 2]
        await store.aclose()
        await following

    for _ in range(3):
        asyncio.run(asyncio.wait_for(use(), 30))
    with asyncio.Runner() as runner:
        for _ in range(3):
            runner.run(asyncio.wait_for(use(), 30))
        runner.run(store.aclose())


async def test_a_check_changes_nothing_and_all_have_one_clock(
    stores: tuple[Store, Store], engine: Engine, location: str
) -> None:
    await stores[0].save(known := response())
    before = await stores[0].stats()
    for store in stores:
        await store.check()
    assert (await stores[1].response(ME, known.id), (await stores[0].stats())["responses"]) == (
        known,
        before["responses"],
    )
    times = [await store.time_s() for store in (*stores, *stores)]
    assert times == sorted(times)
    assert times[-1] - times[0] < 60.0
