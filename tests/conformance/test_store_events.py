"""The event log: nothing is lost or read twice, from any cut; all waiters are woken; only the lease's claim writes."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from conformance.kit import EXPIRED, ME, NOW, batch, claimed, ended, fresh, log_after, numbers_of, response, running
from penstock.ports import Claim, EventBatch, Store, StoredResponse

Stores = tuple[Store, Store]
PROMPT_S = 15.0
"""What counts as at once, on a machine that has other things to do."""


async def begun(store: Store) -> tuple[StoredResponse, Claim]:
    known = running()
    await store.save(known)
    return known, await claimed(store, known)


async def test_an_empty_log(store: Store) -> None:
    known, _ = await begun(store)
    assert await store.events(known.id, after=-1) == []
    assert await store.events(fresh("resp"), after=-1) == []


async def test_the_log_after_every_cut(stores: Stores) -> None:
    known, claim = await begun(stores[0])
    sizes = [1, 3, 1, 7, 2]
    for n, size in enumerate(sizes):
        assert await stores[0].append_events(claim, batch(sum(sizes[:n]), size))
    for after in range(-1, sum(sizes) + 1):
        assert await log_after(stores[1], known.id, after) == list(range(after + 1, sum(sizes)))


async def test_a_batch_is_reported_as_it_came(store: Store) -> None:
    known, claim = await begun(store)
    batches = [batch(0, 2), batch(2), batch(3, 10)]
    for each in batches:
        await store.append_events(claim, each)
    assert await store.events(known.id, after=-1) == batches
    assert await store.events(known.id, after=0) == batches
    assert await store.events(known.id, after=1) == batches[1:]
    assert await store.events(known.id, after=6) == batches[2:]


async def test_a_long_log_is_read_in_turns(store: Store) -> None:
    """Many batches, and large ones: what does not fit into one read is in the next."""
    known, claim = await begun(store)
    for n in range(2_000):
        assert await store.append_events(claim, batch(n))
    for n in range(2_000, 2_050):
        assert await store.append_events(claim, EventBatch(n, batch(n).data + b"\n" * 100_000))
    assert await log_after(store, known.id, -1) == list(range(2_050))
    assert await log_after(store, known.id, 1_234) == list(range(1_235, 2_050))


async def test_who_reads_while_it_is_written_misses_nothing(stores: Stores) -> None:
    known, claim = await begun(stores[0])
    rng = random.Random(3)

    async def write() -> None:
        first = 0
        while first < 300:
            size = rng.randint(1, 9)
            assert await stores[0].append_events(claim, batch(first, size))
            first += size
            await asyncio.sleep(rng.choice([0, 0, 0.001]))
        assert await stores[0].settle(ended(known), fence=claim.fence)

    reading = [follow(store, known.id, after) for store in stores for after in (-1, 7, 150)]
    writing = asyncio.create_task(write())
    for log, after in zip(await asyncio.gather(*reading), [-1, 7, 150] * 2, strict=True):
        assert log == list(range(after + 1, log[-1] + 1))
        assert log[-1] >= 299
    await writing


async def follow(store: Store, response_id: str, after: int) -> list[int]:
    """As a reader does: read, wait, read; after the end once more, since the end may come between the two."""
    log: list[int] = []
    while True:
        stored = await store.response(ME, response_id)
        log += await log_after(store, response_id, log[-1] if log else after)
        if stored is None or stored.status == "completed":
            return log
        await store.wait_for_events(response_id, after=log[-1] if log else after, timeout_s=5)


async def test_waiting_for_what_is_there(stores: Stores) -> None:
    known, claim = await begun(stores[0])
    await stores[0].append_events(claim, batch(0))
    for store in stores:
        await asyncio.wait_for(store.wait_for_events(known.id, after=-1, timeout_s=60), PROMPT_S)


@pytest.mark.parametrize("what", ["events", "the end", "deletion"])
async def test_waiting_for_what_comes(stores: Stores, what: str) -> None:
    """On the replica where it happens, and on another."""
    known, claim = await begun(stores[0])
    await stores[0].append_events(claim, batch(0, 3))
    waits = [asyncio.create_task(store.wait_for_events(known.id, after=2, timeout_s=60)) for store in stores * 2]
    await asyncio.sleep(0.2)
    assert not any(wait.done() for wait in waits)
    if what == "events":
        await stores[0].append_events(claim, batch(3))
    elif what == "the end":
        await stores[0].settle(ended(known), fence=claim.fence)
    else:
        await stores[0].delete_response(ME, known.id)
    await asyncio.wait_for(asyncio.gather(*waits), PROMPT_S)


async def test_waiting_for_what_never_comes(stores: Stores) -> None:
    known, claim = await begun(stores[0])
    await stores[0].append_events(claim, batch(0))
    for after in (0, 5):
        start = time.monotonic()
        await stores[1].wait_for_events(known.id, after=after, timeout_s=0.3)
        assert 0.25 < time.monotonic() - start < PROMPT_S


@pytest.mark.parametrize("what", ["missing", "ended", "expired"])
async def test_there_is_nothing_to_wait_for(store: Store, what: str) -> None:
    known = response() if what == "ended" else running(expires_at=EXPIRED)
    if what != "missing":
        await store.save(known)
    await asyncio.wait_for(store.wait_for_events(known.id, after=-1, timeout_s=60), PROMPT_S)


async def test_a_wait_may_be_given_up(store: Store) -> None:
    known, claim = await begun(store)
    wait = asyncio.create_task(store.wait_for_events(known.id, after=-1, timeout_s=60))
    await asyncio.sleep(0.05)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    assert await store.append_events(claim, batch(0))


async def test_many_wait_and_each_is_woken_by_its_own(stores: Stores) -> None:
    begun_here = [await begun(stores[0]) for _ in range(50)]
    waits = [
        asyncio.create_task(stores[n % 2].wait_for_events(known.id, after=-1, timeout_s=60))
        for n, (known, _) in enumerate(begun_here)
    ]
    await asyncio.sleep(0.2)
    for _, claim in begun_here[:25]:
        await stores[0].append_events(claim, batch(0))
    await asyncio.wait_for(asyncio.gather(*waits[:25]), PROMPT_S)
    for _, claim in begun_here[25:]:
        await stores[1].append_events(claim, batch(0))
    await asyncio.wait_for(asyncio.gather(*waits[25:]), PROMPT_S)


async def test_a_claim_that_is_no_longer_the_leases_writes_nothing(stores: Stores) -> None:
    known, first = await begun(stores[0])
    assert await stores[0].append_events(first, batch(0))
    second = await claimed(stores[1], known, now=NOW + 999)
    assert await stores[0].append_events(first, batch(1)) is False
    assert await stores[1].append_events(second, batch(1))
    assert await stores[0].append_events(Claim(known.id, 99), batch(2)) is False
    await stores[1].release(second)
    assert await stores[1].append_events(second, batch(2)) is False
    assert await log_after(stores[0], known.id, -1) == [0, 1]


@pytest.mark.parametrize("status", ["completed", "cancelled"])
async def test_a_log_is_whole_when_its_response_has_ended(stores: Stores, status: object) -> None:
    """What a runner writes after a cancel is not stored; what it wrote before stays."""
    known, claim = await begun(stores[0])
    await stores[0].append_events(claim, batch(0, 4))
    await stores[1].settle(ended(known, status))
    assert await stores[0].append_events(claim, batch(4)) is False
    assert await log_after(stores[1], known.id, -1) == [0, 1, 2, 3]


async def test_nothing_is_written_to_what_is_not_there(store: Store) -> None:
    assert await store.append_events(Claim(fresh("resp"), 1), batch(0)) is False
    known, claim = await begun(store)
    await store.delete_response(ME, known.id)
    assert await store.append_events(claim, batch(0)) is False
    assert await store.events(known.id, after=-1) == []


async def test_logs_are_apart(store: Store) -> None:
    one, other = await begun(store), await begun(store)
    await store.append_events(one[1], batch(0, 2))
    await store.append_events(other[1], batch(0, 5))
    assert numbers_of(await store.events(one[0].id, after=-1)) == [0, 1]
    assert numbers_of(await store.events(other[0].id, after=-1)) == [0, 1, 2, 3, 4]
