"""The timer wheel: one timer for all timeouts in an event loop, in place of a timer for each.

It turns every tick while there are entries, and calls what is due: never early, and at most two ticks late while the
event loop is not busy. What was due first is called first, so that on a busy loop all are equally late. An entry that
is removed in time has cost no timer; that is nearly every timeout.

Some hosts end the timers of a request with the request, such as Cloudflare Workers. There, a wheel that other requests
use too would stand still afterwards, so each request has its own.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar
from typing import Protocol
from weakref import WeakKeyDictionary

TICK_S = 0.02
"""The tick of timeouts, which need not be exact."""
CALLS_MAX = 256
"""So many entries are called in one callback. Before the others, the event loop sends and receives."""


class Timed(Protocol):
    """An entry of the wheel."""

    def on_due(self) -> None:
        """The time has come. It is called outside the context of any request."""


class TimerWheel:
    """The wheel of one event loop. It has no reference to the loop, so that both can be freed."""

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._slots: dict[int, dict[Timed, None]] = {}
        """The entries by the tick at which they are due, in order. No slot is empty."""
        self._due: dict[Timed, None] = {}
        """The entries of the tick whose turn it is that were not called yet, the next one last."""
        self._tick = 0
        """All entries up to this tick were called, or are in `_due`."""
        self._now = 0
        """The tick at which the last turn began. An entry that is due before it waits behind all that are due."""
        self._is_turning = False
        self._context = Context()

    def put(self, timed: Timed, at_s: float, loop: asyncio.AbstractEventLoop) -> int:
        """Call `timed` at this time by the loop's clock. Returns the tick, with which it can be removed."""
        # spec: one-timer
        if not self._is_turning:
            self._tick = self._now = int(loop.time() / self._tick_s)
            self._turn_later(loop)
        tick = max(int(at_s / self._tick_s), self._now) + 1
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = {timed: None}
        else:
            slot[timed] = None
        return tick

    def remove(self, timed: Timed, tick: int) -> None:
        """Remove an entry, if it was not called yet."""
        slot = self._slots.get(tick)
        if slot is None:
            self._due.pop(timed, None)
        else:
            slot.pop(timed, None)
            if not slot:
                del self._slots[tick]

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        self._now = int(loop.time() / self._tick_s)
        calls = 0
        try:
            while calls < CALLS_MAX and self._has_due():
                calls += 1
                self._due.popitem()[0].on_due()
        finally:  # after an exception the next turn continues
            self._is_turning = False
            if self._slots or self._due:
                self._turn_later(loop)

    def _has_due(self) -> bool:
        """Whether an entry is due. If all of one tick were called, those of the next tick follow."""
        while not self._due and self._tick < self._now:
            self._tick += 1
            self._due = dict.fromkeys(reversed(self._slots.pop(self._tick, ())))
        return bool(self._due)

    def _turn_later(self, loop: asyncio.AbstractEventLoop) -> None:
        """Schedule the next turn, with an empty context: a request's context would live as long as the timer."""
        self._is_turning = True
        if self._due:
            loop.call_soon(self._turn, context=self._context)
        else:
            loop.call_later(self._tick_s, self._turn, context=self._context)


_WHEELS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, TimerWheel]] = WeakKeyDictionary()
"""The wheels of each event loop, by their ticks."""


def wheel_of(loop: asyncio.AbstractEventLoop, tick_s: float = TICK_S) -> TimerWheel:
    """The wheel of an event loop that has this tick."""
    wheels = _WHEELS.get(loop)
    if wheels is None:
        wheels = _WHEELS[loop] = {}
    wheel = wheels.get(tick_s)
    if wheel is None:
        wheel = wheels[tick_s] = TimerWheel(tick_s)
    return wheel


class _WheelsByRequest(dict[float, TimerWheel]):
    """The wheels of an event loop by their ticks, where each request has its own."""

    def get(self, tick_s: float, default: TimerWheel | None = None) -> TimerWheel | None:  # type: ignore[override]
        """The request's wheel with this tick."""
        return _wheels_of_request.get().get(tick_s, default)

    def __setitem__(self, tick_s: float, wheel: TimerWheel) -> None:
        _wheels_of_request.get()[tick_s] = wheel


_wheels_of_request: ContextVar[dict[float, TimerWheel]] = ContextVar("penstock_wheels")


def use_own_wheels() -> None:
    """Give the request of this context, and the tasks that it creates, timer wheels of its own."""
    loop = asyncio.get_running_loop()
    if not isinstance(_WHEELS.get(loop), _WheelsByRequest):
        _WHEELS[loop] = _WheelsByRequest()
    _wheels_of_request.set({})
