"""Deadlines: one timer for all connections of a process, which looks at them now and then.

A connection says until when it may stay as it is by an assignment, as often as it likes; that costs no timer.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from penstock.limits import Limits

NEVER = float("inf")
_TICKS = 4
"""How often deadlines are looked at before the shortest one is over."""
_TICK_S_MAX = 1.0


class Timed(Protocol):
    """What has a deadline."""

    deadline: float
    """By the event loop's clock."""

    def expire(self, now: float) -> None:
        """The deadline is over."""


class Deadlines:
    """All that have a deadline. One is noticed at most `tick_s` late. With nothing to look at, there is no timer."""

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._timed: set[Timed] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, timed: Timed, loop: asyncio.AbstractEventLoop) -> None:
        """Look at it from now on."""
        self._timed.add(timed)
        if self._timer is None:
            self._timer = loop.call_later(self._tick_s, self._look, loop)

    def discard(self, timed: Timed) -> None:
        """Look at it no more."""
        self._timed.discard(timed)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for timed in [timed for timed in self._timed if timed.deadline <= now]:
            timed.expire(now)
        self._timer = loop.call_later(self._tick_s, self._look, loop) if self._timed else None


def tick_s(limits: Limits) -> float:
    """How often deadlines are looked at."""
    waits = (
        limits.keep_alive_s,
        limits.request_head_s,
        limits.request_body_wait_s,
        limits.request_body_grace_s,
        limits.reply_stall_s,
        limits.linger_s,
    )
    return min(_TICK_S_MAX, min(waits) / _TICKS)
