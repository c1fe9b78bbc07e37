"""The thread that writes, with group commit.

The operations that arrive while a commit runs become the next transaction together, so that they wait for the disk
once. Where one of them fails, the group is halved and run again, so that it fails alone. A caller gets its result after
the commit, never before.

What an operation erases is still in the old pages of the write-ahead log. So the log is copied into the file and
truncated right after such a commit, or as soon as no reader needs it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from .connection import retry_while_locked
from .errors import unavailable
from .file import FileReplaced, StoreFile

T = TypeVar("T")

_GROUP_MAX = 256
"""How many operations one transaction contains at most."""
_PENDING_MAX = 10_000
"""How many operations may wait. More are refused, since they would wait too long."""
_ERASE_AGAIN_S = 0.1
"""After how long the log is truncated, where a reader or another process prevented it before."""


class _Operation:
    """A function to run, and the future that gets its result."""

    def __init__(
        self, do: Callable[[sqlite3.Connection], Any], *, alone: bool, erases: bool, then: Callable[[Any], None] | None
    ) -> None:
        self.do = do
        self.alone = alone
        self.erases = erases
        self.then = then
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: Exception | None = None

    def resolve(self) -> None:
        """Set the result of the future, in its loop. The caller may be gone; `then` is called in any case."""
        if self.error is None and self.then is not None:
            self.then(self.result)
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Runs operations on the file, in groups and in their order. Its thread starts with the first operation."""

    def __init__(self, file: StoreFile, open_: Callable[[], sqlite3.Connection]) -> None:
        self._file = file
        self._open = open_
        self._operations: SimpleQueue[_Operation | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._db: sqlite3.Connection | None = None
        self._log_is_stale = False
        """Whether the write-ahead log may have pages with erased contents."""
        self._is_closing = False

    async def run(
        self,
        do: Callable[[sqlite3.Connection], T],
        *,
        alone: bool = False,
        erases: bool = False,
        then: Callable[[T], None] | None = None,
    ) -> T:
        """The result of `do`, once it is durable. Raises `ApiError` where the store is not available.

        `do` may run again where its transaction was rolled back. `alone`: it opens its own transaction. `erases`: if
        its result is true, it removed contents, which must not stay in the log. `then` is called with the result, even
        when the caller has been cancelled.
        """
        if self._is_closing or self._operations.qsize() >= _PENDING_MAX:
            raise unavailable()
        operation = _Operation(do, alone=alone, erases=erases, then=then)
        self._operations.put(operation)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="penstock-sqlite-writer", daemon=True)
            self._thread.start()
        try:
            result: T = await operation.future
        finally:
            del operation  # it has the error, whose traceback has this frame
        return result

    async def aclose(self) -> None:
        """Finish pending operations and close the file. The next operation opens it again."""
        self._is_closing = True
        if self._thread is not None:
            self._operations.put(None)
            await asyncio.to_thread(self._thread.join)
        self._thread = None
        self._is_closing = False

    # These methods run in the thread.

    def _run(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._take()
            try:
                self._do(group)
            except Exception as error:  # the thread goes on after any error, and the callers get it
                self._fail(group, error)
                self._close()
            _resolve([operation for operation in group if not operation.erases])
            self._truncate_log()
            _resolve([operation for operation in group if operation.erases])
            group.clear()  # the results would stay in memory until the next operation
        self._close()

    def _take(self) -> tuple[list[_Operation], bool]:
        """The waiting operations, and whether more may come. Empty where it is time to truncate the log."""
        group: list[_Operation] = []
        try:
            operation = self._operations.get(timeout=_ERASE_AGAIN_S if self._log_is_stale else None)
        except Empty:
            return group, True
        while operation is not None:
            group.append(operation)
            if len(group) == _GROUP_MAX:
                return group, True
            try:
                operation = self._operations.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _do(self, group: list[_Operation]) -> None:
        if self._db is None:
            self._db = self._open()
            self._file.note_opened()
            self._log_is_stale = True  # a killed process may have left it
        try:
            self._file.check()
        except FileReplaced as error:  # the connection stays open: no other access to the old file exists
            self._fail(group, error)
            return
        together = [operation for operation in group if not operation.alone]
        if together:
            self._commit(self._db, together)
        for operation in group:
            if operation.alone:
                self._do_alone(self._db, operation)
        if all(operation.error is None for operation in group):
            self._file.note_success()
        self._log_is_stale |= any(operation.erases and operation.result for operation in group)

    def _truncate_log(self) -> None:
        """Copy the log into the file and truncate it, if that is due. Where it fails, it is tried again later."""
        if self._log_is_stale and self._db is not None:
            with suppress(sqlite3.Error):
                # spec: erased
                [is_busy, *_] = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._log_is_stale = bool(is_busy)

    def _close(self) -> None:
        """Close the connection. The next operation opens another."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _commit(self, db: sqlite3.Connection, group: list[_Operation]) -> None:
        """Run the group in one transaction. Where that fails, run each half in its own."""
        try:
            retry_while_locked(lambda: db.execute("BEGIN IMMEDIATE"))
        except Exception as error:
            self._fail(group, error)
            return
        try:
            for operation in group:
                operation.result = operation.do(db)
            db.execute("COMMIT")
        except Exception as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if len(group) == 1:
                self._fail(group, error)
            else:
                half = len(group) // 2
                self._commit(db, group[:half])
                self._commit(db, group[half:])

    def _do_alone(self, db: sqlite3.Connection, operation: _Operation) -> None:
        try:
            operation.result = operation.do(db)
        except Exception as error:
            self._fail([operation], error)

    def _fail(self, group: Iterable[_Operation], error: Exception) -> None:
        translated = self._file.translate(error)
        for operation in group:
            operation.error = translated


def _resolve(group: list[_Operation]) -> None:
    """Set the results of a group, with one call for each loop: a call costs more than a result."""
    for loop, some in groupby(group, key=lambda operation: operation.loop):
        with suppress(RuntimeError):  # the loop was closed, and its callers are gone
            loop.call_soon_threadsafe(_resolve_each, list(some))


def _resolve_each(group: list[_Operation]) -> None:
    for operation in group:
        operation.resolve()
