"""Retention: what has expired is swept, by as many replicas as like, and what is removed leaves no row behind."""

from __future__ import annotations

import asyncio
import time

from conformance.engines import Engine
from conformance.kit import LATER, ME, NOW, OTHER, batch, claimed, conversation, ended, ids, items, response, running
from penstock.ports import Store
from requirements import shows

Stores = tuple[Store, Store]
MUCH_LATER = NOW + 7200
"""When what expires at `LATER` has."""


async def fill(store: Store, number: int = 10, expires_at: int | None = None) -> tuple[list[str], list[str]]:
    """Responses and conversations with everything that a row can have; their ids."""
    responses: list[str] = []
    conversations: list[str] = []
    for n in range(number):
        talk = conversation(expires_at=expires_at)
        await store.save_conversation(talk, items(3))
        done = response(
            expires_at=expires_at, conversation_id=talk.id, previous_response_id=responses[-1] if n else None
        )
        await store.lock_conversation(talk.id, writer=done.id, now=NOW, until=NOW + 60)
        assert await store.save(done)
        background = running(expires_at=expires_at)
        await store.save(background)
        claim = await claimed(store, background)
        await store.append_events(claim, batch(0, 3))
        await store.append_events(claim, batch(3, 3))
        if n % 3 == 0:
            await store.settle(ended(background), fence=claim.fence)
        elif n % 3 == 1:
            await store.release(claim)
        responses += [done.id, background.id]
        conversations.append(talk.id)
    return responses, conversations


async def assert_empty(store: Store) -> None:
    stats = await store.stats()
    assert stats["responses"] == stats["conversations"] == 0
    assert not {kind: number for kind, number in stats.items() if number and kind != "bytes"}


async def test_deleting_leaves_nothing(stores: Stores, engine: Engine, location: str) -> None:
    before = engine.rows(location)
    await assert_empty(stores[0])
    responses, conversations = await fill(stores[0])
    stats = await stores[1].stats()
    assert (stats["responses"], stats["conversations"]) == (20, 10)
    assert engine.rows(location) > before + 30
    assert all([await stores[1].delete_response(ME, each) for each in responses])
    assert all([await stores[1].delete_conversation(ME, each) for each in conversations])
    await assert_empty(stores[0])
    assert engine.rows(location) == before


@shows("bounded-stores")
async def test_sweeping_leaves_nothing(stores: Stores, engine: Engine, location: str) -> None:
    before = engine.rows(location)
    await fill(stores[0], expires_at=LATER)
    assert await stores[1].sweep(now=MUCH_LATER, limit=1_000) == 30
    await assert_empty(stores[0])
    assert engine.rows(location) == before
    assert await stores[1].sweep(now=MUCH_LATER, limit=1_000) == 0


async def test_sweeping_only_what_has_expired(stores: Stores) -> None:
    remaining = await fill(stores[0], 2)
    later = await fill(stores[0], 2, expires_at=LATER)
    assert await stores[0].sweep(now=NOW, limit=1_000) == 0
    assert await stores[0].sweep(now=LATER - 1, limit=1_000) == 0
    assert await stores[0].sweep(now=LATER, limit=1_000) == 6
    for response_id in remaining[0] + later[0]:
        assert (await stores[1].response(ME, response_id) is not None) is (response_id in remaining[0])
    for conversation_id in remaining[1] + later[1]:
        assert (await stores[1].conversation(ME, conversation_id) is not None) is (conversation_id in remaining[1])


async def test_a_sweep_is_bounded(store: Store) -> None:
    await fill(store, 10, expires_at=LATER)
    swept = [await store.sweep(now=MUCH_LATER, limit=7) for _ in range(6)]
    assert swept == [7, 7, 7, 7, 2, 0]
    await assert_empty(store)


async def test_replicas_sweep_together(stores: Stores, engine: Engine, location: str) -> None:
    """Whatever was there is counted once, and who reads or writes meanwhile is not disturbed."""
    before = engine.rows(location)
    await fill(stores[0], 30, expires_at=LATER)
    remaining, _ = await fill(stores[0], 2)
    swept: list[int] = []

    async def sweep(store: Store) -> None:
        while number := await store.sweep(now=MUCH_LATER, limit=5):
            swept.append(number)

    async def work(store: Store) -> None:
        for _ in range(10):
            assert await store.save(fresh := response())
            assert await store.response(ME, fresh.id) == fresh
            assert await store.response(ME, remaining[0]) is not None
            assert await store.delete_response(ME, fresh.id)

    await asyncio.gather(*map(sweep, stores * 4), *map(work, stores * 2))
    assert sum(swept) == 90
    stats = await stores[0].stats()
    assert (stats["responses"], stats["conversations"]) == (4, 2)
    for response_id in remaining:
        await stores[0].delete_response(ME, response_id)
    assert engine.rows(location) > before


async def test_what_expires_meanwhile(stores: Stores) -> None:
    """By the engine's own clock, and for a process that works on it too."""
    soon = int(time.time()) + 2
    talk, known = conversation(expires_at=soon), running(expires_at=soon)
    turn = response(conversation_id=talk.id)
    await stores[0].save_conversation(talk, items(2))
    assert await stores[0].lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 9_999)
    await stores[0].save(known)
    claim = await claimed(stores[0], known)
    assert await stores[1].response(ME, known.id) == known
    assert await stores[1].conversation(ME, talk.id) == talk
    await asyncio.sleep(soon + 0.05 - time.time())
    assert await stores[1].response(ME, known.id) is None
    assert await stores[1].conversation(ME, talk.id) is None
    assert await stores[0].append_events(claim, batch(0)) is False
    assert await stores[0].renew([claim], until=NOW + 9_999) == {known.id}
    assert await stores[0].settle(ended(known), fence=claim.fence) is False
    assert await stores[0].unclaimed(now=NOW + 9_999, limit=10) == []
    assert await stores[0].save(turn) is False
    await stores[0].sweep(now=soon, limit=10)
    await assert_empty(stores[1])


async def test_a_response_outlives_its_conversation_and_the_other_way_round(store: Store) -> None:
    short, long = conversation(expires_at=LATER), conversation()
    turns = [response(conversation_id=short.id), response(conversation_id=long.id, expires_at=LATER)]
    for talk, turn in zip((short, long), turns, strict=True):
        await store.save_conversation(talk, [])
        await store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60)
        assert await store.save(turn)
    assert await store.sweep(now=MUCH_LATER, limit=10) == 2
    assert await store.response(ME, turns[0].id) == turns[0]
    page = await store.page_items(ME, long.id)
    assert page is not None
    assert page.items == turns[1].input + turns[1].output
    assert len(await store.find_items(ME, ids([*turns[0].input, *turns[1].input]))) == 2


async def test_stats_count_every_owner(store: Store) -> None:
    await store.save(response())
    await store.save(response(owner=OTHER))
    stats = await store.stats()
    assert (stats["responses"], stats["conversations"]) == (2, 0)
    assert all(isinstance(number, int) for number in stats.values())
