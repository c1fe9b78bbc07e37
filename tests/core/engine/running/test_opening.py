"""Openings: a wait that ends early, fails or is cancelled loses nothing of what is opened."""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from penstock.engine.running.opening import Opening
from requirements import shows
from support import virtual_time


def go(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    virtual_time.run(asyncio.wait_for(scenario(), 10))


async def soon() -> str:
    await asyncio.sleep(1)
    return "open"


async def fails() -> str:
    await asyncio.sleep(1)
    raise ValueError("no")


def test_a_wait_ends_when_it_has_opened() -> None:
    async def scenario() -> None:
        opening = Opening(soon)
        began_s = virtual_time.loop().time()
        await opening.wait(5)
        assert virtual_time.loop().time() - began_s == pytest.approx(1)
        assert opening.is_over
        assert opening.result() == "open"
        await opening.wait()

    go(scenario)


def test_a_wait_that_ends_early_loses_nothing() -> None:
    async def scenario() -> None:
        opening = Opening(soon)
        await opening.wait(0.5)
        assert not opening.is_over
        waiting = asyncio.ensure_future(opening.wait())
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert not opening.is_over
        await opening.wait()
        assert opening.result() == "open"

    go(scenario)


def test_a_failure_is_its_result() -> None:
    async def scenario() -> None:
        opening = Opening(fails)
        await opening.wait()
        with pytest.raises(ValueError, match="no"):
            opening.result()
        assert opening.cancel() is None

    go(scenario)


@pytest.mark.parametrize(("after_s", "opened"), [(0, None), (0.5, None), (2, "open")])
def test_cancelled_it_ends_or_returns_what_has_opened(after_s: float, opened: str | None) -> None:
    """Cancelled before its first step, too: then nothing has begun that would have to be awaited."""
    ended: list[str] = []

    async def noted() -> str:
        try:
            return await soon()
        finally:
            ended.append("ended")

    async def scenario() -> None:
        opening = Opening(noted)
        if after_s:
            await asyncio.sleep(after_s)
        assert opening.cancel() == opened
        await asyncio.sleep(0)
        assert ended == (["ended"] if after_s else [])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        go(scenario)
        gc.collect()


@shows("freed-at-once")
@pytest.mark.parametrize("after_s", [0, 0.5, 2])
@pytest.mark.parametrize("begin", [soon, fails])
def test_cancelled_it_leaves_no_cycle(begin: Callable[[], Coroutine[Any, Any, str]], after_s: float) -> None:
    """A cycle would keep the request that is opened until a collection, which seldom comes."""

    class Request:
        async def open(self) -> str:
            return await begin()

    async def scenario() -> None:
        gc.collect()
        gc.disable()
        try:
            request = Request()
            left = weakref.ref(request)
            opening = Opening(request.open)
            del request
            await opening.wait(after_s)
            opening.cancel()
            del opening
            await asyncio.sleep(0.1)
            assert left() is None
        finally:
            gc.enable()

    go(scenario)
