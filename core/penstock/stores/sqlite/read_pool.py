"""The pool of threads that read, each with its own connection. Every operation reads one snapshot."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .errors import unavailable
from .file import StoreFile

T = TypeVar("T")

_THREADS = 4
_PENDING_MAX = 10_000
"""How many operations may wait. More are refused, since they would wait too long."""


class ReadPool:
    """Runs operations that only read, at the same time. The threads start when they are needed."""

    def __init__(self, file: StoreFile, open_: Callable[[], sqlite3.Connection]) -> None:
        self._file = file
        self._open = open_
        self._threads: ThreadPoolExecutor | None = None
        self._of_thread = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._pending = 0
        self._is_closing = False

    async def run(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `do`, which reads one snapshot. Raises `ApiError` where the store is not available."""
        if self._is_closing or self._pending >= _PENDING_MAX:
            raise unavailable()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="penstock-sqlite-reader")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, do)
        finally:
            self._pending -= 1

    async def aclose(self) -> None:
        """Finish pending operations and close the file. The next operation opens it again."""
        self._is_closing = True
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
        for db in self._connections:
            db.close()
        self._connections.clear()
        self._threads = None
        self._of_thread = threading.local()
        self._is_closing = False

    # These methods run in a thread of the pool.

    def _read(self, do: Callable[[sqlite3.Connection], T]) -> T:
        try:
            db = self._connection()
            db.execute("BEGIN")
            try:
                return do(db)
            finally:
                db.execute("COMMIT")
        except Exception as error:
            raise self._file.translate(error) from None

    def _connection(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._of_thread, "db", None)
        if db is None:
            self._file.check()
            db = self._of_thread.db = self._open()
            self._connections.append(db)
        return db
