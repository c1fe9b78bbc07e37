"""Leases: one replica at a time works on a response, each with a higher fence than the one before."""

from __future__ import annotations

import asyncio

from conformance.kit import EXPIRED, ME, NOW, claimed, ended, fresh, ids, response, running
from penstock.ports import Claim, Store

Stores = tuple[Store, Store]


async def test_one_of_many_claims(stores: Stores) -> None:
    known = running()
    await stores[0].save(known)
    tries = (stores[n % 2].claim(known.id, now=NOW, until=NOW + 60) for n in range(20))
    given = [claim for claim in await asyncio.gather(*tries) if claim]
    assert given == [Claim(known.id, 1)]


async def test_a_lease_is_in_force_before_its_end(stores: Stores) -> None:
    known = running()
    await stores[0].save(known)
    assert await stores[0].claim(known.id, now=NOW, until=NOW + 10) == Claim(known.id, 1)
    assert await stores[0].claim(known.id, now=NOW + 9.9, until=NOW + 20) is None
    assert await stores[1].claim(known.id, now=NOW + 9.9, until=NOW + 20) is None
    assert await stores[1].claim(known.id, now=NOW + 10, until=NOW + 20) == Claim(known.id, 2)
    assert await stores[0].claim(known.id, now=NOW + 30, until=NOW + 40) == Claim(known.id, 3)


async def test_what_cannot_be_claimed(store: Store) -> None:
    done, gone = response(background=True), running(expires_at=EXPIRED)
    await store.save(done)
    await store.save(gone)
    for response_id in (done.id, gone.id, fresh("resp")):
        assert await store.claim(response_id, now=NOW, until=NOW + 60) is None


async def test_renewing(stores: Stores) -> None:
    rows = [running() for _ in range(3)]
    for row in rows:
        await stores[0].save(row)
    claims = [await claimed(stores[0], row, for_s=10) for row in rows]
    assert await stores[0].renew(claims, until=NOW + 30) == set()
    for row in rows:
        assert await stores[1].claim(row.id, now=NOW + 20, until=NOW + 99) is None
        assert await stores[1].claim(row.id, now=NOW + 30, until=NOW + 99) == Claim(row.id, 2)
    assert await stores[0].renew([], until=NOW + 30) == set()


async def test_what_was_lost_is_reported(stores: Stores) -> None:
    renewed, over, done, gone, given_up = rows = [running() for _ in range(5)]
    for row in rows:
        await stores[0].save(row)
    claims = [await claimed(stores[0], row, for_s=10) for row in rows]
    taken = await claimed(stores[1], over, now=NOW + 10)
    await stores[1].settle(ended(done))
    await stores[1].delete_response(ME, gone.id)
    await stores[0].release(claims[4])
    unknown = Claim(fresh("resp"), 1)
    lost = await stores[0].renew([*claims, unknown], until=NOW + 50)
    assert lost == {over.id, done.id, gone.id, given_up.id, unknown.response_id}
    assert await stores[1].renew([taken], until=NOW + 50) == set()
    assert await stores[1].claim(renewed.id, now=NOW + 49, until=NOW + 99) is None


async def test_late_is_not_lost(store: Store) -> None:
    """A process that renews too late keeps the lease, if no other one took it."""
    known = running()
    await store.save(known)
    claim = await claimed(store, known, for_s=10)
    assert await store.renew([claim], until=NOW + 99) == set()
    assert await store.claim(known.id, now=NOW + 98, until=NOW + 999) is None


async def test_releasing(stores: Stores) -> None:
    known = running()
    await stores[0].save(known)
    first = await claimed(stores[0], known)
    await stores[0].release(first)
    second = await claimed(stores[1], known)
    assert second.fence > first.fence
    await stores[0].release(first)
    assert await stores[0].claim(known.id, now=NOW, until=NOW + 60) is None
    await stores[0].release(Claim(fresh("resp"), 1))


async def test_fences_only_rise(stores: Stores) -> None:
    """Through claims, releases and losses alike."""
    known, fences = running(), []
    await stores[0].save(known)
    for n in range(10):
        claim = await claimed(stores[n % 2], known, now=NOW + 100 * n)
        fences.append(claim.fence)
        if n % 3 == 0:
            await stores[0].release(claim)
    assert fences[0] == 1
    assert fences == sorted(set(fences))


async def test_settling_on_the_way_keeps_the_lease(store: Store) -> None:
    known = running(status="queued")
    await store.save(known)
    claim = await claimed(store, known)
    assert await store.settle(ended(known, "in_progress", output=[]), fence=claim.fence)
    assert await store.claim(known.id, now=NOW, until=NOW + 60) is None
    assert await store.renew([claim], until=NOW + 99) == set()
    assert await store.settle(ended(known), fence=claim.fence)


async def test_what_waits_for_a_process(stores: Stores) -> None:
    """Background responses of all owners that have not ended, oldest first; whole, since a process is to run them."""
    rows = [running(created_at=int(NOW) - n, status="queued") for n in range(6)]
    rows[2].owner = "somebody else"
    others = [running(background=False), response(background=True), running(expires_at=EXPIRED)]
    for row in rows + others:
        await stores[0].save(row)
    await claimed(stores[0], rows[0])
    lapsed = await claimed(stores[0], rows[1], now=NOW - 60)
    assert lapsed.fence == 1
    await stores[0].release(await claimed(stores[0], rows[3]))
    await stores[0].settle(ended(rows[4]))
    waiting = [rows[5], rows[3], rows[2], rows[1]]
    assert await stores[1].unclaimed(now=NOW, limit=10) == waiting
    assert await stores[1].unclaimed(now=NOW, limit=2) == waiting[:2]
    assert ids(await stores[1].unclaimed(now=NOW + 60, limit=10)) == ids([*waiting, rows[0]])


async def test_replicas_share_out_what_waits(stores: Stores) -> None:
    """Each looks and claims, and every response is claimed once."""
    rows = [running() for _ in range(40)]
    await asyncio.gather(*(stores[0].save(row) for row in rows))

    async def take(store: Store) -> list[Claim]:
        found = await store.unclaimed(now=NOW, limit=100)
        claims = await asyncio.gather(*(store.claim(row.id, now=NOW, until=NOW + 60) for row in found))
        return [claim for claim in claims if claim]

    taken = [claim for claims in await asyncio.gather(*map(take, stores * 3)) for claim in claims]
    assert sorted(claim.response_id for claim in taken) == sorted(ids(rows))
    assert await stores[0].unclaimed(now=NOW, limit=1) == []
