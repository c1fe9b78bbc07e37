"""Marks: a name is set once until it has expired, by any replica, and by each owner for itself."""

from __future__ import annotations

import asyncio

from conformance.engines import Engine
from conformance.kit import EXPIRED, LATER, ME, NOW, OTHER, fresh
from penstock.ports import Marks, Store

WITHOUT: frozenset[str] = frozenset()
"""The engines that cannot compare and set, each with the reason beside it."""


def marks_of(engine: Engine, *stores: Store) -> tuple[Marks, ...]:
    """The stores as `Marks`: each engine has them, or stands in `WITHOUT`."""
    found = tuple(store for store in stores if isinstance(store, Marks))
    assert bool(found) is (engine.name not in WITHOUT)
    return found


async def test_one_of_many_sets_a_mark(stores: tuple[Store, Store], engine: Engine) -> None:
    if marks := marks_of(engine, *stores):
        name = fresh("mcpr")
        tries = (marks[n % 2].mark_once(ME, name, expires_at=LATER) for n in range(20))
        assert sorted(await asyncio.gather(*tries)) == [False] * 19 + [True]
        assert not await marks[1].mark_once(ME, name, expires_at=LATER + 1)


async def test_each_owner_has_marks_of_its_own(stores: tuple[Store, Store], engine: Engine) -> None:
    for one in marks_of(engine, stores[0]):
        name = fresh("mcpr")
        for owner, mark in ((ME, name), (OTHER, name), (ME, f"{name}:b"), (f"{ME}:{name}", "b")):
            assert await one.mark_once(owner, mark, expires_at=LATER)
            assert not await one.mark_once(owner, mark, expires_at=LATER)


async def test_an_expired_mark_can_be_set_again(stores: tuple[Store, Store], engine: Engine) -> None:
    if marks := marks_of(engine, *stores):
        name = fresh("mcpr")
        assert await marks[0].mark_once(ME, name, expires_at=EXPIRED)
        assert await marks[1].mark_once(ME, name, expires_at=LATER)
        assert not await marks[0].mark_once(ME, name, expires_at=LATER)


async def test_expired_marks_are_swept(stores: tuple[Store, Store], engine: Engine, location: str) -> None:
    """By the store, or by the engine itself, which then removes what has expired already."""
    for one in marks_of(engine, stores[0]):
        before = engine.rows(location)
        names = [fresh("mcpr") for _ in range(5)]
        for name in names:
            assert await one.mark_once(ME, name, expires_at=EXPIRED)
        mark = fresh("mcpr")
        assert await one.mark_once(ME, mark, expires_at=LATER)
        assert (await stores[1].stats())["marks"] >= 1
        swept = [await stores[1].sweep(now=NOW, limit=3) for _ in range(3)]
        assert swept in ([3, 2, 0], [0, 0, 0])
        assert (await stores[1].stats())["marks"] == 1
        assert engine.rows(location) <= before + 1
        assert not await one.mark_once(ME, mark, expires_at=LATER)
