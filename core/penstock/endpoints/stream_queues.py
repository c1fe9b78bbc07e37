"""Queues of a connection's streams: the requests of one stream run in order, those of several at the same time.

They know the names of streams and the bounds of waiting and running requests. The work itself never raises.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from penstock.errors import invalid, rate_limited
from penstock.limits import Limits

Work: TypeAlias = Callable[[], Awaitable[None]]

_TRY_AGAIN_S = 1.0


class _Waiting(msgspec.Struct, frozen=True):
    work: Work
    size: int


class StreamQueues:
    """The queues of one connection: one for each stream id, and one for the stream without an id.

    `on_idle` is called when nothing is left to do, until the queues are closed.
    """

    def __init__(self, limits: Limits, on_idle: Callable[[], None]) -> None:
        self._limits = limits
        self._on_idle: Callable[[], None] | None = on_idle
        self._slots = asyncio.Semaphore(limits.socket_runs_max)
        self._waiting: dict[str | None, deque[_Waiting]] = {None: deque()}
        self._workers: dict[str | None, asyncio.Task[None]] = {}
        self._count = 0
        self._size = 0

    @property
    def are_idle(self) -> bool:
        """Whether nothing waits or runs."""
        return not self._workers

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._count

    def put(self, name: str | None, work: Work, size: int) -> None:
        """Add work to the queue of a stream. `size` is the memory that it takes while it waits, in bytes.

        Raises `ApiError` where too much waits, or where the connection has used too many stream ids.
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
        """Stop all work, and drop waiting work and `on_idle`, which may refer to these queues."""
        self._on_idle = None
        self._waiting.clear()
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def _open(self, name: str | None) -> None:
        streams_max = self._limits.socket_streams_max
        if len(self._waiting) > streams_max:
            message = (
                f"This WebSocket connection has used {streams_max} stream ids, which is the limit. "
                "Use one of them again, or open another connection."
            )
            raise invalid(message, "stream_id", "websocket_stream_limit_reached")
        self._waiting[name] = deque()

    async def _work(self, name: str | None) -> None:
        waiting = self._waiting[name]
        try:
            while waiting:
                async with self._slots:
                    first = waiting.popleft()
                    self._count -= 1
                    self._size -= first.size
                    await first.work()
        finally:
            del self._workers[name]
            if not self._workers and self._on_idle is not None:
                self._on_idle()
