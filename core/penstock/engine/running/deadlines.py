"""Deadlines: what ends or interrupts a run's wait for the upstream.

The heartbeat, the idle and total deadlines and the check for a disconnected client use one entry in the event loop's
timer wheel: a short run needs no timer, and a chunk in time costs two assignments. A wait is interrupted by cancelling
it, as `asyncio.timeout` does; the awaited operation must not lose data by that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from penstock.errors import ApiError, out_of_time, stopping, upstream_failed
from penstock.limits import Limits

from .request_deadline import RequestDeadline
from .timer_wheel import wheel_of

T = TypeVar("T")

_NEVER = float("inf")
_STEP_MIN_S = 0.001
"""How many seconds pass at least before a deadline that moves is checked again."""
_WATCH_CLIENT_AFTER_S = 0.25
"""After how many seconds a run begins to wait for its client's disconnect: most end sooner, and it needs a task."""
_SENT_AT_MAX = 100_000
"""When so many times are noted, no further ones are from the next check on: checking each chunk would cost more."""


class ClientLeft(Exception):
    """The client has disconnected."""


class OutOfTime(Exception):
    """The run must end before the upstream has finished. `error` is for a client that got nothing yet."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


def server_stops() -> OutOfTime:
    """The run must end since the server stops."""
    return OutOfTime(stopping())


def request_ends() -> OutOfTime:
    """The run must end since the host ends its request."""
    return OutOfTime(out_of_time())


class Deadlines:
    """Ends or interrupts the waits of one run. `disconnected` is awaited once, and returns when the client has left.

    At the deadline of the `request`, the wait raises what `late` makes. `sent_at` gets the time whenever something was
    sent before a wait.
    """

    _late: Callable[[], Exception] | None = None
    _heartbeat_s = _idle_s = _NEVER
    _task: asyncio.Task[Any] | None = None
    _was_interrupted = False
    _is_heartbeat = False
    _end: Callable[[], Exception] | None = None
    """Makes the exception to be raised. A stored exception would form a reference cycle through its traceback."""
    _watching_client: asyncio.Future[None] | None = None

    def __init__(
        self,
        limits: Limits,
        *,
        heartbeats: bool,
        idle: bool,
        disconnected: Callable[[], Awaitable[None]] | None,
        request: RequestDeadline | None = None,
        late: Callable[[], Exception] = out_of_time,
        sent_at: list[float] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._notes_progress = heartbeats or idle
        """Whether any deadline moves with it."""
        if heartbeats:
            self._heartbeat_s = limits.heartbeat_s
        if idle:
            self._idle_s = limits.idle_s
        self._total_s = limits.total_s
        self._deadline = now + limits.total_s
        if request is not None and request.ends_s < self._deadline:
            self._deadline, self._late = request.ends_s, late
        self._sent = self._waiting_since = now
        self._sent_at = sent_at
        self._disconnected = disconnected
        self._context = copy_context()
        self._wheel = wheel_of(self._loop)
        first_s = now + _WATCH_CLIENT_AFTER_S if disconnected else self._next_due(now)
        self._tick = self._wheel.put(self, first_s, self._loop)

    @property
    def are_over(self) -> bool:
        """Whether the next wait will raise the exception that ends the run."""
        return self._end is not None

    async def wait(self, awaitable: Awaitable[T], *, sent: bool = False) -> T | None:
        """The awaitable's result, or None when a heartbeat is due. Raises `ApiError` at a deadline, or `ClientLeft`."""
        try:
            self.begin(sent=sent)
        except BaseException:
            _close_unawaited(awaitable)
            raise
        try:
            return await awaitable
        except asyncio.CancelledError:
            self.interrupted()
            return None
        finally:
            self.end()

    def begin(self, *, sent: bool = False) -> None:
        """A wait begins; something was `sent` to the client just before it. Raises the exception that ends the run.

        `begin`, `interrupted` and `end` are the steps of `wait`, for the wait before every chunk. The caller calls
        `interrupted` when the wait is cancelled, and `end` in any case.
        """
        if self._end is not None:
            raise self._end()
        if self._is_heartbeat:  # a heartbeat does not restart the idle deadline
            self._is_heartbeat = False
        elif self._notes_progress:
            self.progress(sent=sent)
        self._task = asyncio.current_task(self._loop)  # faster with the loop as its argument

    def progress(self, *, sent: bool) -> None:
        """Something came before a wait, or during it; `sent` is whether the client got anything of it."""
        self._waiting_since = now = self._loop.time()
        if sent:
            self._sent = now
            if self._sent_at is not None:
                self._sent_at.append(now)

    def interrupted(self) -> None:
        """A wait was cancelled: return for a heartbeat, or raise the cause. Call it while handling `CancelledError`."""
        if not self._was_interrupted or (self._task is not None and self._task.uncancel()):
            raise  # noqa: PLE0704 - something else has cancelled the task
        if self._end is not None:
            raise self._end() from None
        self._is_heartbeat = True

    def end(self) -> None:
        """The wait has ended."""
        self._task = None
        self._was_interrupted = False

    def sent(self) -> None:
        """Something is sent to the client now."""
        self._sent = self._loop.time()

    def close(self) -> None:
        """Cancel all timers."""
        self._wheel.remove(self, self._tick)
        if self._watching_client is not None:
            self._watching_client.cancel()

    def _next_due(self, now: float) -> float:
        """The next time to check; a deadline that moves is not checked before it can be due."""
        beat = max(self._sent + self._heartbeat_s, now + _STEP_MIN_S)
        silence = now if self._task is None else self._waiting_since
        return min(beat, max(silence + self._idle_s, now + _STEP_MIN_S), self._deadline)

    def on_due(self) -> None:
        """Check what is due."""
        if self._disconnected is not None and self._watching_client is None:
            self._watching_client = self._context.run(asyncio.ensure_future, self._disconnected())
            self._watching_client.add_done_callback(self._on_disconnect)
        now = self._loop.time()
        if now >= self._deadline:
            took_too_long = partial(upstream_failed, f"The response took longer than {self._total_s:g} s.", status=504)
            self.stop(self._late or took_too_long)
            return
        if self._task is not None and now >= self._waiting_since + self._idle_s:
            self.stop(partial(upstream_failed, f"The upstream said nothing for {self._idle_s:g} s.", status=504))
            return
        if self._sent_at is not None and len(self._sent_at) > _SENT_AT_MAX:
            self._sent_at = None
        # spec: heartbeats
        if now >= self._sent + self._heartbeat_s:
            self._sent = now
            self._interrupt()
        self._tick = self._wheel.put(self, self._next_due(now), self._loop)

    def _on_disconnect(self, watching: asyncio.Future[None]) -> None:
        # spec: leaving
        if not watching.cancelled() and watching.exception() is None:
            self.stop(ClientLeft)

    def stop(self, end: Callable[[], Exception]) -> None:
        """Raise the exception that `end` makes from the current wait, or from the next one."""
        self._end = end
        self._interrupt()

    def _interrupt(self) -> None:
        if self._task is not None and not self._was_interrupted:
            self._was_interrupted = True
            self._task.cancel()


def _close_unawaited(awaitable: Awaitable[Any]) -> None:
    """Close a coroutine that will not be awaited, so that Python gives no warning."""
    if isinstance(awaitable, Coroutine):
        awaitable.close()
