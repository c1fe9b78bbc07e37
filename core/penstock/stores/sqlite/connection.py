"""Connections to the file: how they are opened and configured."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from .errors import UnusableFile

T = TypeVar("T")

_OPENING = threading.Lock()
"""When a process closes any descriptor of a file, POSIX releases all locks of the process on that file, SQLite's too.
So a new file is created and closed before any connection to it is opened."""

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]

_BUSY_S = 10.0
"""How long a connection waits for a lock of another process."""
_RETRY_S = 0.002
"""How often it tries again. SQLite's own wait tries every 100 ms in the end, when a busy writer often has the lock."""
_STATEMENTS_MAX = 256
"""How many prepared statements a connection holds."""
_PRIMARY_CODE = 0xFF
"""The bits of an extended result code that are its primary code (SQLite, "Result Codes")."""
_OWNER_ONLY_FOLDER = 0o700
_OWNER_ONLY_FILE = 0o600
_WAL_BYTES_MAX = 64 * 2**20
"""The size that a longer write-ahead log is truncated to."""


def open_writer(path: str, synchronous: Synchronous) -> sqlite3.Connection:
    """The connection that writes. A missing file is created, readable by this user only."""
    with _OPENING:
        _create(path)
        db = _connect(path)
    with _closed_on_error(db):
        [mode] = retry_while_locked(lambda: db.execute("PRAGMA journal_mode = WAL").fetchone())
        if mode != "wal":
            raise UnusableFile(f"its file system allows no write-ahead log (the journal's mode stays {mode!r})")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA foreign_keys = ON")
        # spec: erased
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_MAX}")
    return db


def open_reader(path: str) -> sqlite3.Connection:
    """A connection that only reads."""
    with _OPENING:
        db = _connect(path)
    with _closed_on_error(db):
        db.execute(f"PRAGMA busy_timeout = {int(_BUSY_S * 1000)}")
        db.execute("PRAGMA query_only = ON")
    return db


def retry_while_locked(attempt: Callable[[], T]) -> T:
    """The result of `attempt`, which is tried again while another connection has the lock that it needs."""
    end = time.monotonic() + _BUSY_S
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(_RETRY_S)


@contextmanager
def _closed_on_error(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


def _create(path: str) -> None:
    """Create an empty file. An existing file must not even be opened (see `_OPENING`)."""
    Path(path).parent.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY_FILE))


def _connect(path: str) -> sqlite3.Connection:
    """Transactions begin and end by explicit statements, and another thread may close the connection."""
    return sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_MAX,
    )
