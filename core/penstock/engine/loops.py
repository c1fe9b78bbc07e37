"""Locks for more than one event loop: a service may be closed, and started again in another loop.

An asyncio lock belongs to the loop in which it was first waited for.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class LoopLock:
    """A lock that may be used in several event loops, one after the other."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        # spec: starts-again
        if loop is not self._loop:
            self._loop, self._lock = loop, asyncio.Lock()
        await self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()
