"""Several steps at once, whose deltas become one stream of batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeAlias

from penstock.transcript.deltas import Delta

Emit: TypeAlias = Callable[[list[Delta]], Awaitable[None]]
"""Hands on a batch of deltas. It waits while the reader is slow."""
Step: TypeAlias = Callable[[Emit], Awaitable[None]]
"""Something that takes a while, and gives deltas meanwhile."""

_WAITING_MAX = 16
"""The batches that wait for the reader."""


async def merged(steps: Sequence[Step], *, parallel_max: int) -> AsyncGenerator[list[Delta]]:
    """The batches of all steps, as they come; those of one step stay in order. At most `parallel_max` run at a time.

    The first exception of a step ends all others, and is raised. They also end when the generator is closed.
    """
    batches: asyncio.Queue[list[Delta] | None] = asyncio.Queue(_WAITING_MAX)
    waiting = list(reversed(steps))

    async def work() -> None:
        while waiting:
            await waiting.pop()(batches.put)

    async def work_all() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(parallel_max, len(steps))):
                group.create_task(work())

    working = asyncio.ensure_future(work_all())
    working.add_done_callback(lambda _: _wake(batches))
    try:
        while not (working.done() and batches.empty()):
            batch = await batches.get()
            if batch is not None:
                yield batch
        _raise_first(working)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _wake(batches: asyncio.Queue[list[Delta] | None]) -> None:
    """Wake the reader up, where it waits for a batch that does not come."""
    if batches.empty():
        batches.put_nowait(None)


def _raise_first(working: asyncio.Future[None]) -> None:
    """Raise the first exception of the steps."""
    error = working.exception()
    if error is None:
        return
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    raise error from None
