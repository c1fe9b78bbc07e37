"""Lanes: work in order within a lane, side by side across lanes, and no more of it at a time than may be.

They know names and how much waits. What the work is, who gives it knows; it never raises.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from penstock.errors import invalid, rate_limited
from penstock.limits import Limits

Work: TypeAlias = Callable[[], Awaitable[None]]

_TRY_AGAIN_S = 1.0


class _Waiting(NamedTuple):
    work: Work
    size: int


class Lanes:
    """The lanes of one connection: those with a name, and the one without.

    `at_rest` is called when nothing is left, until they are closed.
    """

    def __init__(self, limits: Limits, at_rest: Callable[[], None]) -> None:
        self._limits = limits
        self._at_rest: Callable[[], None] | None = at_rest
        self._slots = asyncio.Semaphore(limits.socket_runs_max)
        self._waiting: dict[str | None, deque[_Waiting]] = {None: deque()}
        self._workers: dict[str | None, asyncio.Task[None]] = {}
        self._count = 0
        self._size = 0

    @property
    def are_at_rest(self) -> bool:
        """Whether there is nothing to do."""
        return not self._workers

    def put(self, name: str | None, work: Work, size: int) -> None:
        """Do the work when its lane comes to it; `size` is what it holds until then, in bytes.

        Raises `ApiError` where too much waits, or for one name too many.
        """
        if name not in self._waiting:
            self._open(name)
        too_large = self._count > 0 and self._size + size > self._limits.body_bytes_max
        if too_large or self._count >= self._limits.socket_queue_max:
            raise rate_limited("Too many requests wait on this WebSocket connection.", _TRY_AGAIN_S)
        self._waiting[name].append(_Waiting(work, size))
        self._count += 1
        self._size += size
        if name not in self._workers:
            self._workers[name] = asyncio.ensure_future(self._work(name))

    async def aclose(self) -> None:
        """Stop whatever is being done, and forget what waits and who was to be called: both may have these lanes."""
        self._at_rest = None
        self._waiting.clear()
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def _open(self, name: str | None) -> None:
        most = self._limits.socket_streams_max
        if len(self._waiting) > most:
            message = (
                f"This WebSocket connection has used {most} stream ids, which is the most. "
                "Use one of them again, or open another connection."
            )
            raise invalid(message, "stream_id", "websocket_stream_limit_reached")
        self._waiting[name] = deque()

    async def _work(self, name: str | None) -> None:
        waiting = self._waiting[name]
        try:
            while waiting:
                async with self._slots:
                    work, size = waiting.popleft()
                    self._count -= 1
                    self._size -= size
                    await work()
        finally:
            del self._workers[name]
            if not self._workers and self._at_rest is not None:
                self._at_rest()
