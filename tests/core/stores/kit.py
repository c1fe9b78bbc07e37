"""What the tests of the SQLite store share: a store in an empty directory, and its log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection, connect
from typing import Any, TypeVar

import pytest

from penstock.errors import ApiError
from penstock.stores.sqlite import SqliteStore

T = TypeVar("T")


class Open:
    """`with Open(path) as store`: ready to be used, and closed at the end; `do` runs what is async."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.store = SqliteStore(path, **options)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Open:
        self.do(self.store.migrate())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.store.aclose())
        self._runner.close()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def inside(self, sql: str) -> list[tuple[Any, ...]]:
        """What the connection that writes answers to it."""
        return self.do(self.store._writer.run(lambda db: db.execute(sql).fetchall(), alone=True))


@contextmanager
def beside(path: Path) -> Iterator[Connection]:
    """A connection of another process."""
    with closing(connect(path, isolation_level=None)) as db:
        yield db


@contextmanager
def refused(caplog: pytest.LogCaptureFixture, status: int, message: str) -> Iterator[None]:
    """The client reads that there is no store; the operator reads which, and why."""
    with caplog.at_level(logging.ERROR, "penstock"), pytest.raises(ApiError) as caught:
        yield
    assert caught.value.status == status
    assert caught.value.retriable is (status == 503)
    assert caught.value.message == "The server's store of responses is not available."
    assert message in caplog.text
    caplog.clear()
