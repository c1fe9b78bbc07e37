"""Connections to the file: how each is opened, and what every one of them is told first."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from .errors import Unusable

T = TypeVar("T")

_OPENING = threading.Lock()
"""POSIX takes all of a process's locks on a file away as soon as the process closes any descriptor of it, SQLite's too.
So a new file is made and closed before any connection to it can be opened."""

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]

_BUSY_S = 10.0
"""How long another process's lock is waited for."""
_RETRY_S = 0.002
"""How often. SQLite's own waiting looks every 100 ms in the end, and a busy writer hardly ever lets go just then."""
_STATEMENTS_MAX = 256
"""How many prepared statements a connection holds."""
_PRIMARY_CODE = 0xFF
"""The bits of an extended result code that are its primary code (SQLite, "Result Codes")."""
_OWNER_ONLY_FOLDER = 0o700
_OWNER_ONLY_FILE = 0o600
_WAL_BYTES_MAX = 64 * 2**20
"""What the write-ahead log is cut back to after it was longer."""


def open_writer(path: str, synchronous: Synchronous) -> sqlite3.Connection:
    """The connection that writes. The file is made if it is not there, for this user's eyes only."""
    with _OPENING:
        _make(path)
        db = _connect(path)
    with _closed_on_error(db):
        [mode] = patiently(lambda: db.execute("PRAGMA journal_mode = WAL").fetchone())
        if mode != "wal":
            raise Unusable(f"its file system allows no write-ahead log (the journal's mode stays {mode!r})")
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


def patiently(attempt: Callable[[], T]) -> T:
    """What `attempt` gives once nobody else has the lock that it needs."""
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


def _make(path: str) -> None:
    """An empty file, unless there is one: what is there must not even be opened (see `_OPENING`)."""
    Path(path).parent.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY_FILE))


def _connect(path: str) -> sqlite3.Connection:
    """Every transaction is begun and ended by our own words, and whoever closes may be another thread."""
    return sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_MAX,
    )
