"""Pacing: the deltas of an answer, each at its time.

Times are absolute: what is late does not delay what comes after it, and deltas that are late come together. All paced
answers of an event loop wait in one timer wheel, whose turn wakes many of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import repeat
from typing import TypeAlias

from penstock.dialects.synthetic import BATCH_DELTAS, Answer, Pieces, in_one_batch
from penstock.dialects.synthetic.options import Constant, Distribution
from penstock.dialects.synthetic.seeded_random import SeededRandom
from penstock.engine.running.timer_wheel import wheel_of
from penstock.transcript.deltas import Delta

Gap: TypeAlias = Callable[[], float]
"""The seconds from one delta to the next."""

TICK_S = 0.001
"""The tick of paced answers."""


class _Paced:
    """What waits for its time. The time may pass while it does something else."""

    def __init__(self, first_s: float, gap_s: Gap) -> None:
        self._due_s = first_s
        """When the next delta is due, by the clock of the event loop."""
        self._gap_s = gap_s
        self._loop = asyncio.get_running_loop()
        self._wheel = wheel_of(self._loop, TICK_S)
        self._tick = 0
        self._waiting: asyncio.Future[None] | None = None

    def on_due(self) -> None:
        """The time of the next delta has come."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def aclose(self) -> None:
        """The reader has ended, or its client has left: nothing of it waits any longer."""
        self._wheel.remove(self, self._tick)

    def _wait(self) -> Awaitable[None]:
        """A wait until the next delta is due. It yields to the event loop in any case, like a read from a socket."""
        if self._due_s <= self._loop.time():
            return asyncio.sleep(0)
        self._waiting = self._loop.create_future()
        self._tick = self._wheel.put(self, self._due_s, self._loop)
        return self._waiting


class PacedDeltas(_Paced):
    """An answer that is streamed: its first delta is due at `first_s`, and each other one `gap_s` after the last."""

    def __init__(self, pieces: Pieces, first_s: float, gap_s: Gap) -> None:
        super().__init__(first_s, gap_s)
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The deltas that are due, once there are any."""
        if self._pieces.is_taken:
            raise StopAsyncIteration
        await self._wait()
        # spec: synthetic-pace
        now_s, count = self._loop.time(), 0
        while self._due_s <= now_s and count < BATCH_DELTAS:
            self._due_s += self._gap_s()
            count += 1
        return self._pieces.take(count)


class PacedReply(_Paced):
    """An answer that is not streamed. It is complete when its last token is due."""

    def __init__(self, answer: Answer, first_s: float, gap_s: Gap) -> None:
        super().__init__(first_s, gap_s)
        self._answer = answer
        self._gaps = max(0, answer.output_tokens() - 1)
        """How many gaps between tokens were not added yet."""
        self._is_read = False

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """All deltas. It wakes between batches of tokens only."""
        if self._is_read:
            raise StopAsyncIteration
        await self._wait()
        while self._gaps:
            count = min(self._gaps, BATCH_DELTAS)
            self._gaps -= count
            self._due_s += sum([self._gap_s() for _ in range(count)])
            await self._wait()
        self._is_read = True
        return in_one_batch(self._answer)


def gaps(itl_ms: Distribution, random: SeededRandom, tokens: int = 1) -> Gap:
    """The times between deltas of so many tokens: each takes the time of all of its tokens."""
    if isinstance(itl_ms, Constant):
        return repeat(itl_ms.value * tokens / 1000).__next__
    return lambda: sum([itl_ms.draw(random) for _ in range(tokens)]) / 1000
