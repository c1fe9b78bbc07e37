"""The limit of connections to one upstream: a request without a free connection waits in order, and fails after a time.

It counts only; every transport calls it before it takes a connection, and after the connection is free again.
"""

from __future__ import annotations

import asyncio
import logging

from penstock.limits import Limits
from penstock.ports import NoFreeConnection

_log = logging.getLogger("penstock.upstream")


class ConnectionLimit:
    """A maximum number of connections at a time. It may be used in several event loops, one after the other."""

    def __init__(self, upstream: str, limits: Limits) -> None:
        self._upstream = upstream
        self._connections_max = limits.upstream_connections_max
        self._wait_s = limits.upstream_connection_wait_s
        self._in_use = 0
        self._waiting: dict[asyncio.Future[None], None] = {}
        """The requests that wait, in order."""
        self._is_reached = False
        """Whether a request failed, and no other one has found a free connection since."""

    async def acquire(self) -> None:
        """Count one more connection, after a wait if necessary. Raises `NoFreeConnection`."""
        if not self.acquire_now():
            await self._wait()

    def acquire_now(self) -> bool:
        """Count one more connection, if one is free now."""
        if self._in_use >= self._connections_max:
            return False
        self._in_use += 1
        if self._is_reached:
            self._is_reached = False
            _log.info("upstream %s has free connections again", self._upstream)
        return True

    def release(self) -> None:
        """A connection is free: the request that has waited longest takes it."""
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
            else:  # it received a connection at the moment of its timeout
                self.release()
            # spec: upstream-saturation
            if isinstance(error, TimeoutError):
                self._report()
                raise NoFreeConnection(
                    f"The upstream is busy: none of its connections was free within {self._wait_s:g} s"
                ) from None
            raise

    def _report(self) -> None:
        """Log the full pool once, until connections are free again."""
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
