"""Pacing: the deltas of an answer, each at its time.

Times are absolute: what is late does not delay what comes after it, and deltas that are late come together. All paced
answers of an event loop wait in one timer wheel, whose turn wakes many of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import repeat
from math import inf
from typing import TypeAlias

from penstock.dialects.synthetic import BATCH_DELTAS, Answer, Pieces, in_one_batch
from penstock.dialects.synthetic.options import Constant, Distribution
from penstock.dialects.synthetic.seeded_random import SeededRandom
from penstock.engine.running.timer_wheel import wheel_of
from penstock.ports import DirectSource, Outlet
from penstock.telemetry.metrics.values import Histogram
from penstock.transcript.deltas import Delta

Gap: TypeAlias = Callable[[], float]
"""The seconds from one delta to the next."""

TICK_S = 0.001
"""The tick of paced answers."""


class Pace:
    """The times of an answer. `due_s` is when its next delta is due by the event loop's clock; `inf` while it waits."""

    def __init__(self, due_s: float, gap_s: Gap, lag_s: Histogram) -> None:
        self.due_s = due_s
        self.lag_s = lag_s
        self.loop = asyncio.get_running_loop()
        self._gap_s = gap_s
        self._wheel = wheel_of(self.loop, TICK_S)
        self._tick = 0
        self._waiting: asyncio.Future[None] | None = None
        self.deliver: Callable[[], bool] | None = None
        """Sends what is due while a task waits for it. False where that task has to go on."""

    def advance(self) -> None:
        """A delta is there: the next one is due after a gap."""
        self.due_s += self._gap_s()

    def wait(self) -> Awaitable[None]:
        """A wait until the next delta is due. It yields to the event loop in any case, like a read from a socket."""
        if self.due_s <= self.loop.time():
            return asyncio.sleep(0)
        self._waiting = self.loop.create_future()
        self._put()
        return self._waiting

    def on_due(self) -> None:
        """The time of the next delta has come."""
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        try:
            if self.deliver is not None and self.deliver():
                self._put()
            else:
                waiting.set_result(None)
        except Exception as error:
            waiting.set_exception(error)

    def close(self) -> None:
        """The answer has ended, or its client has left: nothing waits for it any longer."""
        self._wheel.remove(self, self._tick)
        self.deliver = None

    def _put(self) -> None:
        if self.due_s < inf:
            self._tick = self._wheel.put(self, self.due_s, self.loop)


class PacedDeltas(DirectSource[list[Delta]]):
    """An answer that is streamed."""

    def __init__(self, pieces: Pieces, pace: Pace) -> None:
        self._pieces = pieces
        self._pace = pace

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The deltas that are due, once there are any."""
        if not self._pieces.is_taken:
            await self._pace.wait()
        if self._pieces.is_taken:  # perhaps during the wait
            raise StopAsyncIteration
        return self._take()

    def send_to(self, outlet: Outlet[list[Delta]]) -> None:
        """Send what is due to the outlet, while the reader waits for it."""
        self._pace.deliver = partial(self._deliver, outlet)

    def _deliver(self, outlet: Outlet[list[Delta]]) -> bool:
        """Send what is due, if the outlet takes it. False where the reader has to go on."""
        if not outlet.is_ready():
            return False
        outlet.send(self._take())
        return not self._pieces.is_taken

    def _take(self) -> list[Delta]:
        """The deltas that are due."""
        pace = self._pace
        # spec: synthetic-pace
        now_s, count = pace.loop.time(), 0
        if pace.due_s <= now_s:
            pace.lag_s.observe(now_s - pace.due_s)
        while pace.due_s <= now_s and count < BATCH_DELTAS:
            pace.advance()
            count += 1
        deltas = self._pieces.take(count)
        if self._pieces.is_taken:
            pace.close()  # its room is free before its reader has ended
        return deltas

    async def aclose(self) -> None:
        """The reader has ended, or its client has left."""
        self._pace.close()


class PacedReply:
    """An answer that is not streamed. It is complete when its last token is due."""

    def __init__(self, answer: Answer, pace: Pace) -> None:
        self._answer = answer
        self._pace = pace
        self._gaps = max(0, answer.output_tokens() - 1)
        """How many gaps between its tokens have not begun."""
        self._is_read = False

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """All deltas. It wakes between batches of tokens only."""
        if self._is_read:
            raise StopAsyncIteration
        pace = self._pace
        await pace.wait()
        while self._gaps or pace.due_s > pace.loop.time():
            self._begin_gaps()
            await pace.wait()
        self._is_read = True
        pace.lag_s.observe(pace.loop.time() - pace.due_s)
        pace.close()
        return in_one_batch(self._answer)

    def _begin_gaps(self) -> None:
        """Begin the next gaps, unless the request waits for its turn."""
        for _ in range(min(self._gaps, BATCH_DELTAS)):
            if self._pace.due_s == inf:
                return
            self._pace.advance()
            self._gaps -= 1

    async def aclose(self) -> None:
        """The reader has ended, or its client has left."""
        self._pace.close()


def gaps(itl_ms: Distribution, random: SeededRandom, tokens: int) -> Gap:
    """The times between deltas of so many tokens: each takes the time of all of its tokens."""
    if isinstance(itl_ms, Constant):
        return repeat(itl_ms.value * tokens / 1000).__next__
    return lambda: sum([itl_ms.draw(random) for _ in range(tokens)]) / 1000
