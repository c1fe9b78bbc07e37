"""Pacing: the deltas of an answer, each at its time.

Times are absolute: what is late does not delay what comes after it, and deltas that are late come together. All paced
answers of an event loop wait in one timer wheel, whose turn wakes many of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import repeat
from typing import TypeAlias

from penstock.dialects.synthetic import BATCH_DELTAS, Pieces
from penstock.dialects.synthetic.draws import Draws
from penstock.dialects.synthetic.options import Constant, SyntheticOptions
from penstock.engine.running.timer_wheel import wheel_of
from penstock.transcript.deltas import Delta

Gap: TypeAlias = Callable[[], float]
"""The seconds from one delta to the next."""

TICK_S = 0.001
"""The tick of paced answers."""


class PacedDeltas:
    """An answer whose first delta is due at `first_s`, by the clock of the event loop, and the others after `gap_s`.

    Deltas are due in groups of `step`, each with its last delta: an answer that is not streamed needs no wait for each.
    """

    def __init__(self, pieces: Pieces, first_s: float, gap_s: Gap, *, step: int = 1) -> None:
        self._pieces = pieces
        self._gap_s = gap_s
        self._step = step
        self._loop = asyncio.get_running_loop()
        self._wheel = wheel_of(self._loop, TICK_S)
        self._tick = 0
        self._waiting: asyncio.Future[None] | None = None
        self._due_s = first_s
        self._pass(min(step, pieces.left) - 1)

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The deltas that are due, once there are any."""
        if self._pieces.is_taken:
            raise StopAsyncIteration
        await self._until_due()
        return self._pieces.take(self._due())

    def on_due(self) -> None:
        """The time of the next delta has come."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def aclose(self) -> None:
        """The reader has ended, or its client has left: nothing of it waits any longer."""
        self._wheel.remove(self, self._tick)

    async def _until_due(self) -> None:
        """Wait until the next delta is due. It yields to the event loop in any case, like a read from a socket."""
        if self._due_s <= self._loop.time():
            await asyncio.sleep(0)
            return
        self._waiting = self._loop.create_future()
        self._tick = self._wheel.put(self, self._due_s, self._loop)
        await self._waiting

    def _due(self) -> int:
        """How many deltas are due."""
        # spec: synthetic-pace
        now_s, count, left = self._loop.time(), 0, self._pieces.left
        while count < min(left, BATCH_DELTAS) and self._due_s <= now_s:
            group = min(self._step, left - count)
            count += group
            self._pass(min(self._step, left - count))
        return count

    def _pass(self, deltas: int) -> None:
        """The next group is due after so many deltas."""
        for _ in range(deltas):
            self._due_s += self._gap_s()


def gaps(options: SyntheticOptions, draws: Draws) -> Gap:
    """The times between the deltas of an answer. A delta of several tokens takes the time of all of them."""
    itl_ms, tokens = options.itl_ms, options.tokens_per_delta
    if isinstance(itl_ms, Constant):
        return repeat(itl_ms.value * tokens / 1000).__next__
    random = draws.random("itl_ms")
    return lambda: sum([itl_ms.draw(random) for _ in range(tokens)]) / 1000
