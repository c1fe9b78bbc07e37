"""The connections to one upstream: those in use, whose number is limited, and idle ones for the next requests.

It knows how long a connection may be idle. Connections belong to the event loop in which they were made: after
`aclose`, another loop may use the pool.
"""

from __future__ import annotations

import asyncio

from penstock.engine.upstreams.connection_limit import ConnectionLimit
from penstock.limits import Limits

from .connecting import Connector
from .connection import Connection


class Pool:
    """Lends connections. Each returns by itself when its reply has ended, or is removed when it breaks."""

    def __init__(self, connector: Connector, limit: ConnectionLimit, limits: Limits) -> None:
        self._connector = connector
        self._limit = limit
        self._limits = limits
        self._busy: set[Connection] = set()
        self._idle: dict[Connection, float] = {}
        """The idle connections with the time since when, the longest idle first."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def take_unused(self) -> Connection | None:
        """The last used idle connection, if one can be used now."""
        loop = asyncio.get_running_loop()
        # spec: starts-again
        if loop is not self._loop:
            self._begin(loop)
        if not self._idle or not self._limit.acquire_now():
            return None
        connection = self._last_used()
        if connection is None:
            self._limit.release()
        else:
            self._busy.add(connection)
        return connection

    async def take(self) -> Connection:
        """A connection, after a wait if necessary. Raises `TransportError`."""
        await self._limit.acquire()
        try:
            connection = self._last_used() or await self._connector.connect(self._make)
        except BaseException:
            self._limit.release()
            raise
        self._busy.add(connection)
        return connection

    def take_back(self, connection: Connection) -> None:
        """Its reply has ended: the next request may use it."""
        self._release(connection)
        if len(self._idle) >= self._limits.upstream_idle_connections_max:
            connection.close()
            return
        assert self._loop is not None
        self._idle[connection] = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.upstream_keep_alive_s, self._expire)

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        self._release(connection)
        self._idle.pop(connection, None)

    def drop_idle(self) -> None:
        """Close all idle connections."""
        for connection in [*self._idle]:
            connection.drop()

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in [*self._busy, *self._idle]:
            connection.drop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop = None
        await asyncio.sleep(0)  # asyncio's transports close in the loop's next iteration

    def _release(self, connection: Connection) -> None:
        """It is no longer in use."""
        if connection in self._busy:
            self._busy.remove(connection)
            self._limit.release()

    def _last_used(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.is_open:
                return connection
        return None

    def _make(self) -> Connection:
        return Connection(self, self._limits)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget the connections of another event loop."""
        self._loop = loop
        self._timer = None
        self._idle.clear()
        for connection in [*self._busy]:
            self._release(connection)

    def _expire(self) -> None:
        """Close connections that were idle for too long, and check again when the next one is due."""
        assert self._loop is not None
        self._timer = None
        keep_alive_s = self._limits.upstream_keep_alive_s
        for connection, since in [*self._idle.items()]:
            if self._loop.time() < since + keep_alive_s:
                self._timer = self._loop.call_at(since + keep_alive_s, self._expire)
                break
            connection.close()
