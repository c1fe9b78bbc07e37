"""Draining: how running requests end after the server was asked to stop.

It knows what runs and how long it may continue: then streams and runs end with the output so far, and at last every
request without a reply is answered with 503. It does not know what a run is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar
from weakref import ref

import msgspec

from penstock.errors import ApiError, out_of_time, stopping

from .request_deadline import RequestDeadline

_MARGIN_S = 1.0
"""How many seconds before the limit runs end, so that their ends can be stored and sent; at most half of the time."""

_SWEPT_MIN = 64
"""So many ends are swept together at least."""


class EndsEarly(Protocol):
    """An operation that can end before it is complete."""

    def end_early(self) -> None:
        """The server must stop: end in order, with the output so far."""


T = TypeVar("T", bound=EndsEarly)


class Drain:
    """Everything in this process that must end before the server stops."""

    def __init__(self) -> None:
        self._running: list[ref[EndsEarly]] = []
        """What runs, and what has ended since the last sweep: a weak set would call back for each end."""
        self._swept_at = _SWEPT_MIN
        self._unanswered: set[Answering] = set()
        self._is_over = False
        self.is_begun = False
        """Whether the server was asked to stop, and accepts no new requests."""

    def begin(self, within_s: float) -> None:
        """Start the drain: running operations end shortly before `within_s` seconds have passed."""
        self.is_begun = True
        margin_s = min(_MARGIN_S, within_s / 2)
        asyncio.get_running_loop().call_later(within_s - margin_s, self._end, margin_s / 2)

    def watch(self, running: T) -> T:
        """Register an operation, which is ended if it still runs at the limit."""
        self._running.append(ref(running))
        if len(self._running) > self._swept_at:
            self._running = [each for each in self._running if each() is not None]
            self._swept_at = 2 * len(self._running) + _SWEPT_MIN
        if self._is_over:
            running.end_early()
        return running

    def answering(self, deadline: RequestDeadline | None = None) -> Answering:
        """`with drain.answering():` around the work of the current task until it has a reply."""
        return Answering(self._unanswered, deadline)

    def _end(self, margin_s: float) -> None:
        self._is_over = True
        for running in [each() for each in self._running]:
            # spec: drained-in-order
            if running is not None:
                running.end_early()
        asyncio.get_running_loop().call_later(margin_s, self._interrupt_unanswered)

    def _interrupt_unanswered(self) -> None:
        for answering in list(self._unanswered):
            answering.end_early(stopping)


class Answering(msgspec.Struct, eq=False):
    """The work on one reply by the current task. It raises `ApiError` 503 where the drain interrupts it.

    At the deadline of its request it raises `ApiError` 504.
    """

    _unanswered: set[Answering]
    _deadline: RequestDeadline | None
    _timer: asyncio.TimerHandle | None = None
    _interrupted_by: Callable[[], ApiError] | None = None
    _task: asyncio.Task[Any] | None = None
    _cancelling: int = 0

    def __enter__(self) -> None:
        task = self._task = asyncio.current_task()
        assert task is not None
        self._cancelling = task.cancelling()
        self._unanswered.add(self)
        if self._deadline is not None:
            loop = asyncio.get_running_loop()
            # spec: request-deadline
            self._timer = loop.call_at(self._deadline.replies_s, self.end_early, out_of_time)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._unanswered.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        interrupted_by = self._interrupted_by
        if interrupted_by is None or self._task is None:
            return
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            # spec: drained-in-order
            raise interrupted_by() from None

    def end_early(self, error: Callable[[], ApiError]) -> None:
        """Cancel the task within the block, as `asyncio.timeout` does. The block then raises this error."""
        if self._interrupted_by is None and self._task is not None:
            self._interrupted_by = error
            self._task.cancel()
