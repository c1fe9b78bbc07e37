"""An opening: what is opened in a task of its own, so that a wait for it can end before it has opened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Opening(Generic[T]):
    """What `begin` returns. One task at a time waits for it."""

    def __init__(self, begin: Callable[[], Awaitable[T]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._task = self._loop.create_task(self._open(begin))

    @property
    def is_over(self) -> bool:
        """Whether it has opened, or failed."""
        return self._task.done()

    async def wait(self, within_s: float | None = None) -> None:
        """Wait until it has opened or failed, or until `within_s` seconds have passed."""
        if self.is_over:
            return
        waiter = self._waiter = self._loop.create_future()
        timer = None if within_s is None else self._loop.call_later(within_s, self._wake)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def result(self) -> T:
        """What has opened. Raises the exception by which it failed."""
        return self._task.result()

    def cancel(self) -> T | None:
        """End it. Returns what has opened before. It is the last call."""
        task = self._task
        del self._task  # a cancelled task holds its error, whose frames refer to this: a cycle
        return None if task.cancel() or task.cancelled() or task.exception() is not None else task.result()

    async def _open(self, begin: Callable[[], Awaitable[T]]) -> T:
        try:
            return await begin()
        finally:
            self._wake()  # a callback at the end of the task would cost a turn of the event loop

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
