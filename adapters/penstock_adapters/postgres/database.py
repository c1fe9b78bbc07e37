"""The connections to the database: a bounded pool, made at the first use, that finds its way back after a restart.

It knows asyncpg and how its failures are told: where the database is away, an `ApiError` of status 503, which clients
try again. A change whose connection was lost is not repeated, since nobody knows whether it was made; a reading is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeAlias

from penstock.errors import ApiError, invalid
from penstock.telemetry import OutageLog

from .address import CONNECT_S, GRACE_S, Address

_log = logging.getLogger("penstock.postgres")

Row: TypeAlias = Mapping[str, Any]

REST_S = 0.5
"""How long nobody connects after an attempt that failed: a server that stops or starts is not helped by a crowd."""

UNAVAILABLE = 503
_STANDBY = "25006"
"""The SQLSTATE of a server that only reads: after a failover an old connection may lead there."""
_AWAY = (_STANDBY, "08", "53", "57", "58", "40001", "40P01")
"""The beginnings of those that pass: connection, resources, shutdown and time, I/O, conflicts."""
_LOST = ("08", "57P")
"""Those after which a new connection may do better."""
_CLOSED = ("connection is closed", "pool is clos", "is cancelling", "released back to the pool")
"""What the driver says of a connection that is gone. Any other misuse is a bug: a wrong number of values, say."""
_UNSPEAKABLE = ("22021", "54000")
"""A text with a NUL byte, an id longer than an index takes."""


class _Resting(ConnectionError):
    """Nothing was attempted: the last attempt failed a moment ago, and the log has its reason."""


class Database:
    """A pool of connections that is shared by everything in the process."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self._resting_until = 0.0
        self._outage = OutageLog(_log, "The store in PostgreSQL")

    async def read(self, sql: str, *values: object) -> list[Row]:
        """The rows of a statement that changes nothing; none where a value is such that no row can have it."""
        try:
            return await self._fetch(sql, values)
        except Exception as error:
            if _is_unspeakable(error):
                return []
            if not is_lost(error):
                raise self._blame(error) from error
        return await self.change(sql, *values)

    async def change(self, sql: str, *values: object) -> list[Row]:
        """The rows of a statement that runs once, or may have run once where it fails."""
        try:
            return await self._fetch(sql, values)
        except Exception as error:
            raise self._blame(error) from error

    def _blame(self, error: Exception) -> Exception:
        """The error as it is for those above. That the database is away is logged once."""
        blamed = told(error)
        if isinstance(blamed, ApiError) and blamed.status == UNAVAILABLE and not isinstance(error, _Resting):
            self._fails(error)
        return blamed

    def _fails(self, error: Exception) -> None:
        self._outage.failed(f"the database is away or cannot do it now: {str(error) or type(error).__name__}")

    async def aclose(self) -> None:
        """Let what runs end, for a moment, and close. The next statement connects again, in any event loop."""
        pool, self._pool = self._pool, None
        self._opening, self._resting_until = asyncio.Lock(), 0.0
        if pool is None:
            return
        try:
            async with asyncio.timeout(CONNECT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    async def _fetch(self, sql: str, values: tuple[object, ...]) -> list[Row]:
        pool = self._pool or await self._open()
        async with asyncio.timeout(CONNECT_S):
            connection = await pool.acquire()
        try:
            rows: list[Row] = await connection.fetch(sql, *values)
        except Exception as error:
            if is_lost(error) or _state(error) == _STANDBY:
                connection.terminate()
            raise
        else:
            self._outage.succeeded()
        finally:
            await pool.release(connection, timeout=GRACE_S)
        return rows

    async def _open(self) -> Any:
        """The pool. It connects when somebody asks, and does without the driver's reset: nothing of ours lasts."""
        async with self._opening:
            if self._pool is None:
                self._pool = await import_module("asyncpg").create_pool(
                    **self.address.connection_settings(),
                    min_size=0,
                    max_size=self.address.connections_max,
                    connect=self._connect,
                    reset=_leave_as_it_is,
                )
        return self._pool

    async def _connect(self, *where: object, **settings: object) -> Any:
        now = asyncio.get_running_loop().time
        if now() < self._resting_until:
            raise _Resting("the last attempt failed a moment ago")
        try:
            return await import_module("asyncpg").connect(*where, **settings)
        except Exception as error:
            self._resting_until = now() + REST_S
            self._blame(error)
            raise


def told(error: Exception) -> Exception:
    """An error as it is for those above: the database is away, a client's id is none, or it is a bug."""
    if is_lost(error) or isinstance(error, TimeoutError) or _state(error).startswith(_AWAY):
        return ApiError(
            "The store is not available at the moment. Please try again.",
            status=UNAVAILABLE,
            type="server_error",
            code="server_error",
            retry_after_s=1.0,
        )
    if _is_unspeakable(error):
        return invalid("The request has an id that cannot be stored.")
    return error


def is_lost(error: Exception) -> bool:
    """Whether the connection is gone, or was never made."""
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return True
    if _state(error):
        return _state(error).startswith(_LOST)
    driver = import_module("asyncpg")
    if isinstance(error, driver.InternalClientError):
        return True  # the server has ended the connection between two messages
    if not isinstance(error, driver.InterfaceError) or isinstance(error, ValueError):
        return False  # a ValueError is about what the driver was given, and repeats it
    return any(words in str(error) for words in _CLOSED)


def _is_unspeakable(error: Exception) -> bool:
    """Whether a value is such that no row can have it; the driver wraps what it cannot encode."""
    return _state(error).startswith(_UNSPEAKABLE) or isinstance(error.__cause__, UnicodeEncodeError)


def _state(error: Exception) -> str:
    """PostgreSQL's five letters for what happened, where it was PostgreSQL."""
    return getattr(error, "sqlstate", None) or ""


async def _leave_as_it_is(connection: object) -> None:
    """The driver's own would be a round trip after every statement."""
