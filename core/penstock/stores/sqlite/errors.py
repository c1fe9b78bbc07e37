"""What SQLite's errors mean: to the client, a store that is not available; to the operator's log, what to do.

Paths and SQL stay in the log. Whatever is in no table here is a bug and is left as it is.
"""

from __future__ import annotations

import sqlite3

from penstock.errors import ApiError

_RETRY_AFTER_S = 1.0
_PRIMARY = 0xFF
"""The bits of an error code that are not its details."""

_ADVICE: dict[int, tuple[int, str]] = {
    sqlite3.SQLITE_FULL: (503, "the disk is full; make room"),
    sqlite3.SQLITE_BUSY: (503, "another process has it locked for too long; find who holds it"),
    sqlite3.SQLITE_LOCKED: (503, "another connection has a table locked for too long"),
    sqlite3.SQLITE_IOERR: (503, "the disk fails to read or write"),
    sqlite3.SQLITE_NOMEM: (503, "there is no memory left"),
    sqlite3.SQLITE_CORRUPT: (500, "the file is damaged; stop the server, then restore a backup or use `.recover`"),
    sqlite3.SQLITE_NOTADB: (500, "the file is not a SQLite database"),
    sqlite3.SQLITE_READONLY: (500, "the file or its directory may not be written"),
    sqlite3.SQLITE_PERM: (500, "the file may not be used by this user"),
    sqlite3.SQLITE_CANTOPEN: (500, "the file cannot be opened or made; look at its directory and permissions"),
}
"""For each of SQLite's codes that are nobody's bug: the HTTP status, and what an operator wants to know."""


class Unusable(Exception):
    """The file cannot be this server's store, as it is; the message says why."""


def advice_on(error: Exception) -> tuple[int, str] | None:
    """The HTTP status of an error that is no bug, and what an operator wants to know of it; None for a bug."""
    if isinstance(error, Unusable):
        return 500, str(error)
    if isinstance(error, OSError):
        return 500, f"it cannot be made: {error.strerror}"
    if isinstance(error, sqlite3.OperationalError) and "no such table" in str(error):
        return 500, "it was not made ready; run `penstock store migrate`"
    if isinstance(error, sqlite3.Error):
        return _ADVICE.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY)
    return None


def unavailable(status: int = 503) -> ApiError:
    """What a client is told; 503 is worth another try."""
    return ApiError(
        "The server's store of responses is not available.",
        status=status,
        type="server_error",
        code="server_error",
        retry_after_s=_RETRY_AFTER_S if status == 503 else None,
        retriable=status == 503,
    )
