"""The one thread that writes, with group commit.

What is asked for while a commit runs waits together and becomes the next transaction: the disk is waited for once for
all of it. Where one of them fails, the group is halved and done again, so that it fails alone. A caller hears of its
operation after the commit, never before.

What an operation erases is still in the write-ahead log, in the pages as they were before. So the log is copied into
the file and cut to nothing right after such a commit, or as soon as no reader needs it any more.
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

from .connection import patiently
from .errors import unavailable
from .file import Replaced, StoreFile

T = TypeVar("T")

_GROUP_MAX = 256
"""How many operations one transaction takes."""
_PENDING_MAX = 10_000
"""How many operations may wait; more are refused, since they would wait too long."""
_ERASE_AGAIN_S = 0.1
"""When the log is cut that could not be cut before, since a reader or another process was using it."""


class _Operation:
    """Something to do, and whom to tell."""

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

    def tell(self) -> None:
        """In the loop. Whoever asked may have gone; what was done is done all the same."""
        if self.error is None and self.then is not None:
            self.then(self.result)
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Does operations on the file, in groups, in the order in which they came. Its thread begins with the first."""

    def __init__(self, file: StoreFile, open_: Callable[[], sqlite3.Connection]) -> None:
        self._file = file
        self._open = open_
        self._operations: SimpleQueue[_Operation | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._db: sqlite3.Connection | None = None
        self._log_is_stale = False
        """Whether the write-ahead log may have pages with what was erased."""
        self._is_closing = False

    async def run(
        self,
        do: Callable[[sqlite3.Connection], T],
        *,
        alone: bool = False,
        erases: bool = False,
        then: Callable[[T], None] | None = None,
    ) -> T:
        """What `do` gives, once it is durable.

        `do` may run again where a transaction is lost. `alone`: it is in no transaction but its own. `erases`: where it
        gives something that is true, contents were removed, which must not stay in the log. `then` is called with the
        result in any case, also when the caller has been cancelled meanwhile.
        """
        if self._is_closing or self._operations.qsize() >= _PENDING_MAX:
            raise unavailable()
        operation = _Operation(do, alone=alone, erases=erases, then=then)
        self._operations.put(operation)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="penstock-sqlite-writer", daemon=True)
            self._thread.start()
        try:
            result: T = await operation.future
        finally:
            del operation  # it has the error, whose traceback has this frame
        return result

    async def aclose(self) -> None:
        """Do what is pending, and close the file. The next operation opens it again."""
        self._is_closing = True
        if self._thread is not None:
            self._operations.put(None)
            await asyncio.to_thread(self._thread.join)
        self._thread = None
        self._is_closing = False

    # In the thread.

    def _work(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._take()
            try:
                self._do(group)
            except Exception as error:  # whatever it is, the thread lives on, and whoever asked is told
                self._fail(group, error)
                self._drop()
            _tell([operation for operation in group if not operation.erases])
            self._cut_log()
            _tell([operation for operation in group if operation.erases])
            group.clear()  # else what was written stays here until the next operation
        self._drop()

    def _take(self) -> tuple[list[_Operation], bool]:
        """What waits, and whether more may come; nothing where it is time to cut the log."""
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
            self._file.opened()
            self._log_is_stale = True  # a process that was killed may not have cut it
        try:
            self._file.check()
        except Replaced as error:  # the connection stays open: it is all that is left of the file
            self._fail(group, error)
            return
        together = [operation for operation in group if not operation.alone]
        if together:
            self._commit(self._db, together)
        for operation in group:
            if operation.alone:
                self._do_alone(self._db, operation)
        if all(operation.error is None for operation in group):
            self._file.worked()
        self._log_is_stale |= any(operation.erases and operation.result for operation in group)

    def _cut_log(self) -> None:
        """Copy the log into the file and cut it to nothing, if that is due; whatever hinders it is met again later."""
        if self._log_is_stale and self._db is not None:
            with suppress(sqlite3.Error):
                # spec: erased
                [is_busy, *_] = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._log_is_stale = bool(is_busy)

    def _drop(self) -> None:
        """Close the connection; the next operation, if there is one, opens another."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _commit(self, db: sqlite3.Connection, group: list[_Operation]) -> None:
        """One transaction for all; where that fails, one for each half."""
        try:
            patiently(lambda: db.execute("BEGIN IMMEDIATE"))
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
        blamed = self._file.blame(error)
        for operation in group:
            operation.error = blamed


def _tell(group: list[_Operation]) -> None:
    """Once for each loop: waking one costs more than all the rest of it."""
    for loop, some in groupby(group, key=lambda operation: operation.loop):
        with suppress(RuntimeError):  # a loop that has been closed has nobody to tell
            loop.call_soon_threadsafe(_tell_each, list(some))


def _tell_each(group: list[_Operation]) -> None:
    for operation in group:
        operation.tell()
