"""The wheel: one timer for everything in an event loop that waits for a time, in place of a timer for each.

It turns every `TICK_S` seconds while something waits, and calls what is due: never early, and at most two ticks late.
What is taken out before its time has cost no timer; nearly every wait ends so.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Protocol
from weakref import WeakKeyDictionary

TICK_S = 0.02


class Timed(Protocol):
    """Something that waits for a time."""

    def on_due(self) -> None:
        """The time has come. This is called without the context of any request."""


class TimerWheel:
    """The wheel of one event loop. It does not hold the loop, so that it goes with it."""

    def __init__(self) -> None:
        self._slots: dict[int, set[Timed]] = {}
        """What waits, by the tick in which it is due. No set in it is empty."""
        self._due: list[Timed] = []
        self._tick = 0
        """Whatever was due up to this tick was called."""
        self._is_turning = False
        self._context = Context()

    def put(self, timed: Timed, at_s: float, loop: asyncio.AbstractEventLoop) -> int:
        """Call it at this time by the loop's clock. Gives the tick, by which it can be taken out."""
        if not self._is_turning:
            self._tick = int(loop.time() / TICK_S)
            self._turn_later(loop)
        tick = max(int(at_s / TICK_S), self._tick) + 1
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = {timed}
        else:
            slot.add(timed)
        return tick

    def take_out(self, timed: Timed, tick: int) -> None:
        """Do not call it, if it was not called yet."""
        slot = self._slots.get(tick)
        if slot is not None:
            slot.discard(timed)
            if not slot:
                del self._slots[tick]

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        now = int(loop.time() / TICK_S)
        for tick in range(self._tick + 1, now + 1):
            self._due += self._slots.pop(tick, ())
        self._tick = now
        try:
            while self._due:
                self._due.pop().on_due()
        finally:  # after an error the next turn goes on
            self._is_turning = False
            if self._slots or self._due:
                self._turn_later(loop)

    def _turn_later(self, loop: asyncio.AbstractEventLoop) -> None:
        """A turn after this one. Its context is empty: that of whoever came first would live as long as the timer."""
        self._is_turning = True
        loop.call_later(TICK_S, self._turn, context=self._context)


_WHEELS: WeakKeyDictionary[asyncio.AbstractEventLoop, TimerWheel] = WeakKeyDictionary()


def wheel_of(loop: asyncio.AbstractEventLoop) -> TimerWheel:
    """The wheel of an event loop."""
    wheel = _WHEELS.get(loop)
    if wheel is None:
        wheel = _WHEELS[loop] = TimerWheel()
    return wheel
