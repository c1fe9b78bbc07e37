"""Several steps at once, whose deltas become one stream of batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from penstock.transcript.deltas import Delta

Emit: TypeAlias = Callable[[list[Delta]], Awaitable[None]]
"""Hands on a batch of deltas. It waits while the reader is slow."""
Step: TypeAlias = Callable[[Emit], Awaitable[None]]
"""Something that takes a while, and gives deltas meanwhile."""

_WAITING_MAX = 256
"""The batches that wait for the reader: more than the steps of a few calls, so that a slow client delays no tool."""


class Merging:
    """The batches of several steps, as they come; those of one step stay in order.

    At most `parallel_max` steps run at a time, from the first `next` on. The first exception of a step ends all others.
    """

    def __init__(self, steps: Sequence[Step], *, parallel_max: int, pause_s: float) -> None:
        self._steps = list(reversed(steps))
        self._parallel_max = min(parallel_max, len(steps))
        self._pause_s = pause_s
        self._batches: asyncio.Queue[list[Delta]] = asyncio.Queue(_WAITING_MAX)
        self._arrived = asyncio.Event()
        self._working: asyncio.Future[None] | None = None

    async def next(self) -> list[Delta] | None:
        """All deltas that have arrived. There are none after `pause_s` seconds. Returns None when all steps have ended.

        A cancelled call loses nothing and may be repeated. Raises the exception of a step.
        """
        if self._working is None:
            self._working = asyncio.ensure_future(self._work())
            self._working.add_done_callback(self._ended)
        while self._batches.empty() and not self._working.done():
            try:
                async with asyncio.timeout(self._pause_s):
                    await self._arrived.wait()
            except TimeoutError:
                return []
            self._arrived.clear()
        if self._batches.empty():
            _raise_first(self._working)
            return None
        batch: list[Delta] = []
        while not self._batches.empty():
            batch += self._batches.get_nowait()
        return batch

    async def aclose(self) -> None:
        """End all steps."""
        working, self._working = self._working, None
        if working is not None:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _work(self) -> None:
        if self._parallel_max <= 1:
            await self._work_alone()
            return
        # a task group would be part of a reference cycle when it is cancelled
        tasks = [asyncio.ensure_future(self._work_alone()) for _ in range(self._parallel_max)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work_alone(self) -> None:
        while self._steps:
            await self._steps.pop()(self._put)

    async def _put(self, batch: list[Delta]) -> None:
        await self._batches.put(batch)
        self._arrived.set()

    def _ended(self, working: asyncio.Future[None]) -> None:
        self._arrived.set()


def _raise_first(working: asyncio.Future[None]) -> None:
    """Raise the first exception of the steps."""
    if error := working.exception():
        raise error
