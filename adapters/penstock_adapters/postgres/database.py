"""The connections to the database: a bounded pool, made at the first use, which reconnects after a restart.

It knows asyncpg and its errors: if the database is not available, it raises an `ApiError` 503, after which clients try
again. A change whose connection was lost is not repeated, since it may have been made; a read is.
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
"""How many seconds no connection is attempted after a failed attempt, so that a starting server is not overloaded."""

UNAVAILABLE = 503
_STANDBY = "25006"
"""The SQLSTATE of a read-only server: after a failover an old connection may lead to one."""
_AWAY = (_STANDBY, "08", "53", "57", "58", "40001", "40P01")
"""The classes of temporary errors: connection, resources, shutdown and time, I/O, conflicts."""
_LOST = ("08", "57P")
"""The classes after which a new connection may succeed."""
_CLOSED = ("connection is closed", "pool is clos", "is cancelling", "released back to the pool")
"""The driver's messages for a lost connection. Other misuse is a bug, for instance a wrong number of values."""
_UNSPEAKABLE = ("22021", "54000")
"""The SQLSTATEs for a text with a NUL byte, and an id that is too long for an index."""


class _Resting(ConnectionError):
    """There was no attempt: the last one failed a moment ago, and the log has its reason."""


class Database:
    """A pool of connections that the whole process shares."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self._resting_until = 0.0
        self._outage = OutageLog(_log, "The store in PostgreSQL")

    async def read(self, sql: str, *values: object) -> list[Row]:
        """The rows of a statement that changes nothing; none if a value cannot be in any row."""
        try:
            return await self._fetch(sql, values)
        except Exception as error:
            if _is_unstorable(error):
                return []
            if not is_lost(error):
                raise self._translate(error) from error
        return await self.change(sql, *values)

    async def change(self, sql: str, *values: object) -> list[Row]:
        """The rows of a statement that is sent once; if it fails, it may have been executed."""
        try:
            return await self._fetch(sql, values)
        except Exception as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> Exception:
        """The error for the caller. An unavailable database is logged once."""
        translated = api_error(error)
        if isinstance(translated, ApiError) and translated.status == UNAVAILABLE and not isinstance(error, _Resting):
            self._fails(error)
        return translated

    def _fails(self, error: Exception) -> None:
        self._outage.failed(f"the database is not available: {str(error) or type(error).__name__}")

    async def aclose(self) -> None:
        """Wait a moment for running statements, and close. The next statement connects again, in any event loop."""
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
        """The pool. It connects on demand, without the driver's reset: this store leaves no state in a session."""
        async with self._opening:
            if self._pool is None:
                self._pool = await import_module("asyncpg").create_pool(
                    **self.address.connection_settings(),
                    min_size=0,
                    max_size=self.address.connections_max,
                    connect=self._connect,
                    reset=_no_reset,
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
            self._translate(error)
            raise


def api_error(error: Exception) -> Exception:
    """The error for the caller: an unavailable database, an invalid id of a client, or a bug."""
    if is_lost(error) or isinstance(error, TimeoutError) or _state(error).startswith(_AWAY):
        return ApiError(
            "The store is not available at the moment. Please try again.",
            status=UNAVAILABLE,
            type="server_error",
            code="server_error",
            retry_after_s=1.0,
        )
    if _is_unstorable(error):
        return invalid("The request has an id that cannot be stored.")
    return error


def is_lost(error: Exception) -> bool:
    """Whether the connection is lost, or was never made."""
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return True
    if _state(error):
        return _state(error).startswith(_LOST)
    driver = import_module("asyncpg")
    if isinstance(error, driver.InternalClientError):
        return True  # the server has ended the connection between two messages
    if not isinstance(error, driver.InterfaceError) or isinstance(error, ValueError):
        return False  # a ValueError is about the driver's arguments, and repeats them
    return any(text in str(error) for text in _CLOSED)


def _is_unstorable(error: Exception) -> bool:
    """Whether a value cannot be in any row; the driver wraps errors of its encoding."""
    return _state(error).startswith(_UNSPEAKABLE) or isinstance(error.__cause__, UnicodeEncodeError)


def _state(error: Exception) -> str:
    """The SQLSTATE, if the error is PostgreSQL's."""
    return getattr(error, "sqlstate", None) or ""


async def _no_reset(connection: object) -> None:
    """Replaces the driver's reset, which costs a round trip after every statement."""
