"""The errors of SQLite: clients get an error of an unavailable store, and the operator's log gets advice.

Paths and SQL appear in the log only. An error that is in no table here is a bug, and stays unchanged.
"""

from __future__ import annotations

import errno
import os
import sqlite3

from penstock.errors import ApiError

_RETRY_AFTER_S = 1.0
_PRIMARY = 0xFF
"""The mask of the primary result code in an extended one."""

_ADVICE: dict[int, tuple[int, str]] = {
    sqlite3.SQLITE_FULL: (503, "the disk is full; make room"),
    sqlite3.SQLITE_BUSY: (503, "another process has it locked for too long; find that process"),
    sqlite3.SQLITE_LOCKED: (503, "another connection has a table locked for too long"),
    sqlite3.SQLITE_IOERR: (503, "reading or writing the disk failed"),
    sqlite3.SQLITE_NOMEM: (503, "no memory is left"),
    sqlite3.SQLITE_CORRUPT: (500, "the file is damaged; stop the server, then restore a backup or use `.recover`"),
    sqlite3.SQLITE_NOTADB: (500, "the file is not a SQLite database"),
    sqlite3.SQLITE_READONLY: (500, "the file or its directory may not be written"),
    sqlite3.SQLITE_PERM: (500, "the file may not be used by this user"),
    sqlite3.SQLITE_CANTOPEN: (500, "the file cannot be opened or made; look at its directory and permissions"),
}
"""For each of SQLite's codes that is no bug: the HTTP status, and the advice for an operator."""


_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_TOO_MANY_FILES = (503, "too many files are open; raise `ulimit -n`")


class UnusableFile(Exception):
    """The file cannot be used as the store of this server. The message is the reason."""


def advice_on(error: Exception) -> tuple[int, str] | None:
    """The HTTP status of an error that is no bug, and the advice for an operator. None for a bug."""
    if isinstance(error, UnusableFile):
        return 500, str(error)
    if _lacks_files(error):
        return _TOO_MANY_FILES
    if isinstance(error, OSError):
        return 500, f"the file cannot be created: {error.strerror}"
    if isinstance(error, sqlite3.OperationalError) and "no such table" in str(error):
        return 500, "the file has no schema; run `penstock store migrate`"
    if isinstance(error, sqlite3.Error):
        return _ADVICE.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY)
    return None


def means_no_room(error: Exception) -> bool:
    """Whether a write may have failed because of its size. At the limit of a file's size it is an error of the disk."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _NO_ROOM


def _lacks_files(error: Exception) -> bool:
    """Whether no file descriptor was free. SQLite reports only that it cannot open a file, so one is tried here."""
    if isinstance(error, sqlite3.Error):
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY != sqlite3.SQLITE_CANTOPEN:
            return False
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as refused:
            return refused.errno in _NO_FILES
        return False
    return isinstance(error, OSError) and error.errno in _NO_FILES


def unavailable(status: int = 503) -> ApiError:
    """The error for the client. With status 503 it may try again."""
    return ApiError(
        "The server's store of responses is not available.",
        status=status,
        type="server_error",
        code="server_error",
        retry_after_s=_RETRY_AFTER_S if status == 503 else None,
        retriable=status == 503,
    )
