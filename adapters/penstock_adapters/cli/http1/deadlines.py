"""Deadlines: one timer for all connections of a process, which checks them at intervals.

A connection sets its deadline by an assignment, as often as necessary; that costs no timer.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from penstock.limits import Limits

NEVER = float("inf")
_TICKS = 4
"""How many checks there are during the shortest deadline."""
_TICK_S_MAX = 1.0
_CLOSE_NOTIFY_S = 0.1
"""How long a transport has to send its own close_notify."""


def abort_idle(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
    """Abort a TLS transport soon that was closed and has sent everything.

    It would wait for the client's close_notify, which an idle client sends with its next request.
    """
    # spec: tls-handshakes
    if transport.get_extra_info("sslcontext") is not None and not transport.get_write_buffer_size():
        loop.call_later(_CLOSE_NOTIFY_S, transport.abort)


class Timed(Protocol):
    """An object with a deadline."""

    deadline: float
    """By the event loop's clock."""

    def expire(self, now: float) -> None:
        """The deadline has passed."""


class Deadlines:
    """All objects with a deadline. A deadline is noticed at most `tick_s` late. Without objects there is no timer."""

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._timed: set[Timed] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, timed: Timed, loop: asyncio.AbstractEventLoop) -> None:
        """Check the object from now on."""
        self._timed.add(timed)
        if self._timer is None:
            self._timer = loop.call_later(self._tick_s, self._look, loop)

    def discard(self, timed: Timed) -> None:
        """Stop checking the object."""
        self._timed.discard(timed)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for timed in [timed for timed in self._timed if timed.deadline <= now]:
            timed.expire(now)
        self._timer = loop.call_later(self._tick_s, self._look, loop) if self._timed else None


def tick_s(limits: Limits) -> float:
    """The interval of the checks, in seconds."""
    waits = (
        limits.keep_alive_s,
        limits.request_head_s,
        limits.request_body_wait_s,
        limits.request_body_grace_s,
        limits.reply_stall_s,
        limits.linger_s,
    )
    return min(_TICK_S_MAX, min(waits) / _TICKS)
