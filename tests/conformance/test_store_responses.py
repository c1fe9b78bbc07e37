"""Responses: what was saved is there, whole, for its owner, until it is deleted; what has ended stays as it is."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from conformance.kit import (
    EXPIRED,
    LATER,
    ME,
    NOW,
    OTHER,
    claimed,
    conversation,
    ended,
    fresh,
    item,
    items,
    response,
    running,
)
from penstock.ports import Store, StoredResponse
from requirements import shows

Stores = tuple[Store, Store]
RACES_S = 120


async def test_what_was_saved_is_there_on_every_replica(stores: Stores) -> None:
    known = response(
        expires_at=LATER,
        previous_response_id=fresh("resp"),
        background=True,
        body=bytes(range(256)) * 200,
        input=[item(), item("same"), item("same", b"another body"), item(body=b"")],
        output=items(3),
        request=b"\0\xff",
    )
    assert await stores[0].save(known)
    assert await stores[0].response(ME, known.id) == known
    assert await stores[1].response(ME, known.id) == known


async def test_the_least_response(store: Store) -> None:
    known = response(input=[], output=[])
    assert await store.save(known)
    assert await store.response(ME, known.id) == known


async def test_a_row_is_not_the_struct_that_came_in_or_went_out(store: Store) -> None:
    known, stored = response(), None
    await store.save(known)
    known.status = "failed"
    known.input.clear()
    for _ in range(2):
        stored = await store.response(ME, known.id)
        assert stored is not None
        assert (stored.status, len(stored.input), len(stored.output)) == ("completed", 1, 1)
        stored.output.clear()
        stored.status = "failed"


@pytest.mark.parametrize("why", ["missing", "foreign", "expired", "deleted"])
async def test_what_is_not_there_for_you_is_not_there(stores: Stores, why: str) -> None:
    """Whatever the reason: no client can distinguish them."""
    store, other = stores
    known = running(owner=OTHER if why == "foreign" else ME, expires_at=EXPIRED if why == "expired" else None)
    if why != "missing":
        assert await store.save(known)
    if why == "deleted":
        assert await store.delete_response(ME, known.id)
    assert await other.response(ME, known.id) is None
    assert await other.chain(ME, known.id, responses_max=10) == []
    assert await other.find_items(ME, [known.input[0].id]) == {}
    assert await other.settle(ended(known, owner=ME)) is False
    assert await other.delete_response(ME, known.id) is False
    if why == "foreign":
        assert await other.response(OTHER, known.id) == known


async def test_settling(stores: Stores) -> None:
    known = running(expires_at=LATER, previous_response_id=fresh("resp"))
    await stores[0].save(known)
    end = ended(known, "incomplete", output=items(2))
    assert await stores[1].settle(end)
    stored = await stores[0].response(ME, known.id)
    assert stored is not None
    assert (stored.status, stored.body, stored.output, stored.request) == ("incomplete", end.body, end.output, b"")
    assert stored.input == known.input
    assert (stored.expires_at, stored.previous_response_id) == (known.expires_at, known.previous_response_id)


async def test_only_what_the_end_brings_is_changed(store: Store) -> None:
    """Input, times, owner and links are the response's from its beginning."""
    known = running(expires_at=LATER)
    await store.save(known)
    end = ended(known, input=[], created_at=1, expires_at=None, background=False, previous_response_id="resp_else")
    assert await store.settle(end)
    known.status, known.body, known.output, known.request = end.status, end.body, end.output, b""
    assert await store.response(ME, known.id) == known


async def test_settling_on_the_way(store: Store) -> None:
    """Queued, then in progress with some output, then ended: the last state replaces all before."""
    known = running(status="queued")
    await store.save(known)
    assert await store.settle(ended(known, "in_progress", body=b"1", output=items(2)))
    assert await store.settle(ended(known, "in_progress", body=b"2", output=items(1)))
    end = ended(known, "failed", body=b"3", output=items(3))
    assert await store.settle(end)
    stored = await store.response(ME, known.id)
    assert stored is not None
    assert (stored.status, stored.body, stored.output) == ("failed", b"3", end.output)


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed", "cancelled"])
async def test_what_has_ended_stays_as_it_is(store: Store, status: Any) -> None:
    known = running()
    await store.save(known)
    end = ended(known, status)
    assert await store.settle(end)
    for later in ("completed", "incomplete", "failed", "cancelled", "in_progress"):
        assert await store.settle(ended(known, later, body=b"late")) is False
    stored = await store.response(ME, known.id)
    assert stored is not None
    assert (stored.status, stored.body, stored.output) == (status, end.body, end.output)


async def test_a_response_that_was_saved_at_its_end_has_ended(store: Store) -> None:
    known = response()
    await store.save(known)
    assert await store.settle(ended(known, "failed")) is False
    assert await store.claim(known.id, now=NOW, until=NOW + 60) is None


async def test_only_the_lease_of_today_settles(stores: Stores) -> None:
    known = running()
    await stores[0].save(known)
    first = await claimed(stores[0], known, for_s=10)
    second = await claimed(stores[1], known, now=NOW + 20)
    assert await stores[0].settle(ended(known), fence=first.fence) is False
    assert await stores[0].settle(ended(known), fence=second.fence + 1) is False
    stored = await stores[0].response(ME, known.id)
    assert stored == known
    assert await stores[1].settle(ended(known), fence=second.fence) is True


async def test_without_a_lease_no_fence_settles(store: Store) -> None:
    known = running()
    await store.save(known)
    for fence in (0, 1):
        assert await store.settle(ended(known), fence=fence) is False
    claim = await claimed(store, known)
    await store.release(claim)
    assert await store.settle(ended(known), fence=claim.fence) is False
    assert await store.settle(ended(known)) is True


@shows("cancel")
async def test_completion_against_cancel_a_thousand_times(stores: Stores) -> None:
    """Exactly one of the two is true, and it is what everybody reads. A slow server has as many races as it can run."""
    rng, won, end = random.Random(7), 0, time.monotonic() + RACES_S
    for _ in range(50):  # more at once would wait for a connection of the pool, longer than a store waits
        if time.monotonic() > end:
            break
        rows = [running() for _ in range(20)]
        await asyncio.gather(*(rng.choice(stores).save(row) for row in rows))
        claims = await asyncio.gather(*(claimed(rng.choice(stores), row) for row in rows))
        races = [race(row, claim.fence, stores, rng) for row, claim in zip(rows, claims, strict=True)]
        won += sum(await asyncio.gather(*races))
    assert 0 < won < 1_000


async def race(known: StoredResponse, fence: int, stores: Stores, rng: random.Random) -> bool:
    """Whether completion won; each side is on a replica of its own."""
    runner, client = rng.sample(stores, 2)
    settles = [
        runner.settle(ended(known, "completed"), fence=fence),
        client.settle(ended(known, "cancelled", output=[])),
    ]
    order = rng.sample([0, 1], 2)
    results = await asyncio.gather(*(settles[n] for n in order))
    completed = results[order.index(0)]
    assert completed is not results[order.index(1)]
    stored = await rng.choice(stores).response(ME, known.id)
    assert stored is not None
    assert (stored.status, len(stored.output)) == (("completed", 1) if completed else ("cancelled", 0))
    return completed


async def test_deleting_once(stores: Stores) -> None:
    known = response()
    await stores[0].save(known)
    deleted = await asyncio.gather(*(stores[n % 2].delete_response(ME, known.id) for n in range(10)))
    assert sorted(deleted) == [False] * 9 + [True]


async def test_deleting_what_runs(stores: Stores) -> None:
    """Its runner learns it by what it tries next."""
    known = running()
    await stores[0].save(known)
    claim = await claimed(stores[0], known)
    assert await stores[1].delete_response(ME, known.id)
    assert await stores[0].renew([claim], until=NOW + 99) == {known.id}
    assert await stores[0].settle(ended(known), fence=claim.fence) is False
    assert await stores[0].claim(known.id, now=NOW + 999, until=NOW + 9999) is None


@pytest.mark.parametrize("odd", ["a'b", 'a"b', "a\\", "%", "{a}:*", "ä€😀", " ", "a\nb", "a" * 255, "-1", "null"])
async def test_clients_name_items_as_they_like(store: Store, odd: str) -> None:
    known, talk = response(input=[item(odd, b"1")], owner=odd), conversation(owner=odd)
    await store.save(known)
    await store.save_conversation(talk, [item(odd, b"1"), item()])
    assert await store.response(odd, known.id) == known
    assert await store.find_items(odd, [odd, odd + "?"]) == {odd: b"1"}
    page = await store.page_items(odd, talk.id, after=odd)
    assert page is not None
    assert len(page.items) == 1
    assert await store.delete_item(odd, talk.id, odd)


async def test_a_reader_sees_one_moment(stores: Stores) -> None:
    """A body and its items are of the same settling, however many there are."""
    known = running()
    await stores[0].save(known)

    async def write() -> None:
        for n in range(1, 100):
            end = ended(known, "in_progress", body=b"%d" % n, output=items(n % 7))
            assert await stores[n % 2].settle(end)

    async def read(store: Store) -> None:
        while (row := await store.response(ME, known.id)) and row.body != b"99":
            if row.body.isdigit():
                assert len(row.output) == int(row.body) % 7
            [link] = await store.chain(ME, known.id, responses_max=1)
            assert len(link.input) == 1

    await asyncio.gather(write(), *map(read, stores))


async def test_a_hundred_at_once(stores: Stores) -> None:
    rows = [response(body=b"x" * 4_000) for _ in range(100)]
    assert all(await asyncio.gather(*(stores[n % 2].save(row) for n, row in enumerate(rows))))
    stored = await asyncio.gather(*(stores[n % 2].response(ME, row.id) for n, row in enumerate(rows, 1)))
    assert stored == rows


async def test_a_large_one(store: Store) -> None:
    known = response(body=b"x" * 20_000_000, input=[item(body=b"y" * 3_000_000)], output=items(1_000))
    assert await store.save(known)
    assert await store.response(ME, known.id) == known
