"""The watch: what ends or interrupts a wait for the upstream.

The heartbeat, the idle and total deadlines and the look-out for a client that left are one place in the event loop's
wheel, so that a run which ends soon costs no timer, and a chunk which comes in time two assignments. A wait is
interrupted by cancelling it, as `asyncio.timeout` does; whatever is waited for must lose nothing by that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from penstock.errors import upstream_failed
from penstock.limits import Limits

from .timer_wheel import wheel_of

T = TypeVar("T")

_STEP_MIN_S = 0.001
"""A moving deadline is looked at again after this time at the soonest."""
_LOOK_OUT_AFTER_S = 0.25
"""How old a run is before it looks out for its client: most end sooner, and a look-out costs a task."""


class ClientLeft(Exception):
    """Nobody listens any more."""


class OutOfTime(Exception):
    """The server has to stop before the upstream is done."""

    def __str__(self) -> str:
        return "the server is stopping"


class Deadlines:
    """Guards the waits of one run. `disconnected` is awaited once; it returns when the client has left."""

    def __init__(
        self,
        limits: Limits,
        *,
        heartbeats: bool,
        idle: bool,
        disconnected: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._heartbeat_s = limits.heartbeat_s if heartbeats else float("inf")
        self._idle_s = limits.idle_s if idle else float("inf")
        self._total_s = limits.total_s
        self._deadline = now + limits.total_s
        self._sent = self._waiting_since = now
        self._task: asyncio.Task[Any] | None = None
        self._woken = False
        self._beaten = False
        self._end: Callable[[], Exception] | None = None
        """Makes what is raised. An error that is stored here and raised here would be a cycle through its traceback."""
        self._disconnected = disconnected
        self._look_out: asyncio.Future[None] | None = None
        self._context = copy_context()
        self._wheel = wheel_of(self._loop)
        self._tick = self._wheel.put(self, now + _LOOK_OUT_AFTER_S if disconnected else self._next_due(now), self._loop)

    async def wait(self, awaitable: Awaitable[T]) -> T | None:
        """The awaitable's result, or None when a heartbeat is due. Raises `ApiError` at a deadline, or `ClientLeft`."""
        try:
            self.begin()
        except BaseException:
            _put_away(awaitable)
            raise
        try:
            return await awaitable
        except asyncio.CancelledError:
            self.interrupted()
            return None
        finally:
            self.end()

    def begin(self, *, sent: bool = False) -> None:
        """A wait begins; something was `sent` to the client just before it. Raises what has ended the run.

        This is `wait` in steps, for the one that comes with every chunk: whoever begins a wait ends it, and calls
        `interrupted` where it is cancelled.
        """
        if self._end is not None:
            raise self._end()
        if self._beaten:  # a heartbeat does not end the upstream's silence
            self._beaten = False
        else:
            self._waiting_since = now = self._loop.time()
            if sent:
                self._sent = now
        self._task = asyncio.current_task(self._loop)  # given the loop, it asks for a quarter of the time

    def interrupted(self) -> None:
        """A wait was cancelled: for a heartbeat, or else this raises why. It runs while `CancelledError` is handled."""
        if not self._woken or (self._task is not None and self._task.uncancel()):
            raise  # noqa: PLE0704 - it was not the watch that cancelled
        if self._end is not None:
            raise self._end() from None
        self._beaten = True

    def end(self) -> None:
        """The wait is over."""
        self._task = None
        self._woken = False

    def sent(self) -> None:
        """Something goes to the client now."""
        self._sent = self._loop.time()

    def close(self) -> None:
        """Stop watching."""
        self._wheel.take_out(self, self._tick)
        if self._look_out is not None:
            self._look_out.cancel()

    def _next_due(self, now: float) -> float:
        """When there is something to look at again; a moving deadline no sooner than it may come."""
        beat = max(self._sent + self._heartbeat_s, now + _STEP_MIN_S)
        silence = now if self._task is None else self._waiting_since
        return min(beat, max(silence + self._idle_s, now + _STEP_MIN_S), self._deadline)

    def on_due(self) -> None:
        """Look at what may be due."""
        if self._disconnected is not None and self._look_out is None:
            self._look_out = self._context.run(asyncio.ensure_future, self._disconnected())
            self._look_out.add_done_callback(self._on_left)
        now = self._loop.time()
        if now >= self._deadline:
            self.stop(partial(upstream_failed, f"The response took longer than {self._total_s:g} s.", status=504))
            return
        if self._task is not None and now >= self._waiting_since + self._idle_s:
            self.stop(partial(upstream_failed, f"The upstream said nothing for {self._idle_s:g} s.", status=504))
            return
        if now >= self._sent + self._heartbeat_s:
            self._sent = now
            self._wake()
        self._tick = self._wheel.put(self, self._next_due(now), self._loop)

    def _on_left(self, look_out: asyncio.Future[None]) -> None:
        if not look_out.cancelled() and look_out.exception() is None:
            self.stop(ClientLeft)

    def stop(self, end: Callable[[], Exception]) -> None:
        """Raise what `end` makes from the present wait, or the next one."""
        self._end = end
        self._wake()

    def _wake(self) -> None:
        if self._task is not None and not self._woken:
            self._woken = True
            self._task.cancel()


def _put_away(awaitable: Awaitable[Any]) -> None:
    """Close a coroutine that will not be awaited, so that Python does not complain of it."""
    if isinstance(awaitable, Coroutine):
        awaitable.close()
