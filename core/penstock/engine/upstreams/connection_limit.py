"""The limit of connections to one upstream: who finds none free waits for a while, in order, and is then refused.

It knows numbers alone; every transport asks it before it takes a connection, and tells it when that is free again.
"""

from __future__ import annotations

import asyncio
import logging

from penstock.limits import Limits
from penstock.ports import NoFreeConnection

_log = logging.getLogger("penstock.upstream")


class ConnectionLimit:
    """So many connections at a time. One event loop after another may use it."""

    def __init__(self, upstream: str, limits: Limits) -> None:
        self._upstream = upstream
        self._connections_max = limits.upstream_connections_max
        self._wait_s = limits.upstream_connection_wait_s
        self._in_use = 0
        self._waiting: dict[asyncio.Future[None], None] = {}
        """Those who wait, in order."""
        self._is_reached = False
        """Whether a request was refused, and none has found a free connection since."""

    async def acquire(self) -> None:
        """Count one more connection, once there may be one. Raises `NoFreeConnection`."""
        if not self.acquire_now():
            await self._wait()

    def acquire_now(self) -> bool:
        """Count one more connection, where there may be one now."""
        if self._in_use >= self._connections_max:
            return False
        self._in_use += 1
        if self._is_reached:
            self._is_reached = False
            _log.info("upstream %s has free connections again", self._upstream)
        return True

    def release(self) -> None:
        """A connection is free: whoever waits first has it."""
        while self._waiting:
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            if not waiter.done():
                waiter.set_result(None)
                return
        self._in_use -= 1

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = None
        try:
            async with asyncio.timeout(self._wait_s):
                await waiter
        except BaseException as error:
            if waiter in self._waiting:
                del self._waiting[waiter]
            else:  # it was given a connection in the moment in which it gave up
                self.release()
            if isinstance(error, TimeoutError):
                self._report()
                raise NoFreeConnection(f"none of its connections was free within {self._wait_s:g} s") from None
            raise

    def _report(self) -> None:
        """Say so once, until there are free connections again."""
        if self._is_reached:
            return
        self._is_reached = True
        _log.warning(
            "upstream %s: all %d connections (limits.upstream_connections_max) are in use, "
            "and requests that wait for one over %g s are answered with 503",
            self._upstream,
            self._connections_max,
            self._wait_s,
        )
