"""What the SQLite store reports of faults: a full disk, a lock, a damaged, strange or newer file; how it recovers."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.kit import ME, response
from core.stores.kit import Open, beside, refused
from penstock.errors import ApiError
from penstock.ports import StoredItem
from penstock.stores.sqlite import SqliteStore, connection, schema, writer
from requirements import shows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def open_and_close(path: Path) -> None:
    with Open(path):
        pass


def migrated(path: Path) -> None:
    """Start and, whatever happens, leave."""

    async def start() -> None:
        store = SqliteStore(path)
        try:
            await store.migrate()
        finally:
            await store.aclose()

    asyncio.run(start())


def test_a_full_disk(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Open(path) as at:
        known = response()
        at.do(at.store.save(known))
        [[pages]] = at.inside("PRAGMA page_count")
        at.inside(f"PRAGMA max_page_count = {pages + 3}")
        with refused(caplog, 503, "the disk is full"):
            at.do(at.store.save(response(body=b"x" * 100_000)))
        assert at.do(at.store.response(ME, known.id)) == known
        assert at.do(at.store.delete_response(ME, known.id))
        at.inside("PRAGMA max_page_count = 100000")
        assert at.do(at.store.save(response(body=b"x" * 100_000)))


@shows("failing-stores")
def test_a_disk_with_room_for_small_rows_only_is_full(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As long as a large row finds no room, each check fails and the outage goes on, and then it ends."""
    with Open(path) as at:
        [[pages]] = at.inside("PRAGMA page_count")
        at.inside(f"PRAGMA max_page_count = {pages + 3}")
        with refused(caplog, 503, "the disk is full"):
            at.do(at.store.save(response(body=b"x" * 100_000)))
        assert at.do(at.store.save(response()))
        with pytest.raises(ApiError):
            at.do(at.store.check())
        assert at.do(at.store.sweep(now=0, limit=1)) == 0
        with pytest.raises(ApiError):
            at.do(at.store.check())
        at.inside("PRAGMA max_page_count = 100000")
        assert at.do(at.store.sweep(now=0, limit=1)) == 0
        at.do(at.store.check())
        assert at.inside("SELECT * FROM marks") == []
        assert at.do(at.store.save(response(body=b"x" * 100_000)))
    assert "the disk is full" not in caplog.text


def test_no_file_descriptor_is_free(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of all reasons why the file cannot be opened, this one ends by itself."""
    with Open(path) as at, without_free_files(), refused(caplog, 503, "too many files are open"):
        at.do(at.store.response(ME, "resp_1"))  # the first reading opens a connection of its own


@contextmanager
def without_free_files() -> Iterator[None]:
    """This process can open no further file."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open("rb") as lowest:
        free = lowest.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_on_a_full_disk_who_fits_in_is_served(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite gives the whole transaction up; the others of the group get one each."""
    with Open(path) as at:
        [[pages]] = at.inside("PRAGMA page_count")
        at.inside(f"PRAGMA max_page_count = {pages + 20}")
        rows = [response(body=b"x" * 500_000 if n == 4 else b"x") for n in range(10)]

        async def save_all() -> list[bool | BaseException]:
            return await asyncio.gather(*map(at.store.save, rows), return_exceptions=True)

        results = at.do(save_all())
        assert [n for n, result in enumerate(results) if result is not True] == [4]
        assert isinstance(results[4], ApiError)
        for row in rows[:4] + rows[5:]:
            assert at.do(at.store.response(ME, row.id)) == row
        assert at.inside("PRAGMA integrity_check") == [("ok",)]


def test_a_lock_that_is_waited_for(path: Path) -> None:
    with Open(path) as at, beside(path) as other:
        other.execute("BEGIN IMMEDIATE")

        async def save_while_locked() -> bool:
            saving = asyncio.create_task(at.store.save(response()))
            await asyncio.sleep(0.2)
            assert not saving.done()
            other.execute("COMMIT")
            return await asyncio.wait_for(saving, 5)

        assert at.do(save_while_locked())


def test_a_lock_that_stays(path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_BUSY_S", 0.1)
    with Open(path) as at, beside(path) as other:
        known = response()
        at.do(at.store.save(known))
        other.execute("BEGIN IMMEDIATE")
        with refused(caplog, 503, "another process has it locked"):
            at.do(at.store.save(response()))
        assert at.do(at.store.response(ME, known.id)) == known
        other.execute("ROLLBACK")
        assert at.do(at.store.save(response()))


def test_more_than_may_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_PENDING_MAX", 5)
    with Open(path) as at, beside(path) as other:
        other.execute("BEGIN IMMEDIATE")

        async def crowd() -> list[bool | BaseException]:
            first = asyncio.create_task(at.store.save(response()))
            await asyncio.sleep(0.1)
            crowd = asyncio.gather(*(at.store.save(response()) for _ in range(8)), return_exceptions=True)
            await asyncio.sleep(0.1)
            other.execute("COMMIT")
            return [await first, *await crowd]

        results = at.do(crowd())
        assert results[:6] == [True] * 6
        assert [result.status for result in results[6:] if isinstance(result, ApiError)] == [503] * 3


def test_a_damaged_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Open(path) as at:
        rows = [response(body=b"x" * 5_000) for _ in range(50)]
        for row in rows:
            at.do(at.store.save(row))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xde\xad" * (path.stat().st_size // 2 - 2048))
    with Open(path) as at, refused(caplog, 500, "is damaged"):
        at.do(at.store.response(ME, rows[-1].id))


def test_no_database_at_all(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text("Dear diary,\n" * 1_000)
    with refused(caplog, 500, "is not a SQLite database"):
        migrated(path)
    assert path.read_text().startswith("Dear diary,\n")


def test_the_database_of_another_application(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with beside(path) as other:
        other.execute("CREATE TABLE bookmarks (url)")
    with refused(caplog, 500, "a database of another application"):
        migrated(path)
    with beside(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_a_file_of_a_newer_server(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_and_close(path)
    with beside(path) as other:
        other.execute("PRAGMA user_version = 99")
    with refused(caplog, 500, "a newer Penstock has written it (schema 99, this server knows"):
        migrated(path)
    with beside(path) as other:
        assert other.execute("PRAGMA user_version").fetchall() == [(99,)]


def test_the_check_of_a_file_leaves_its_version(path: Path) -> None:
    """A newer server may have upgraded the file while this one has it open."""
    with Open(path) as at:
        with beside(path) as newer:
            newer.execute("PRAGMA user_version = 99")
        at.do(at.store.check())
        assert at.inside("PRAGMA user_version") == [(99,)]


def test_a_file_that_was_not_made_ready(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def save() -> None:
        store = SqliteStore(path)
        try:
            await store.save(response())
        finally:
            await store.aclose()

    with refused(caplog, 500, "penstock store migrate"):
        asyncio.run(save())


@pytest.mark.parametrize("path", ["a file/store.db", "."])
def test_a_path_that_cannot_be(tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str) -> None:
    (tmp_path / "a file").touch()
    with refused(caplog, 500, str(tmp_path)):
        migrated(tmp_path / path)


def test_a_migration_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_and_close(path)
    broken = "CREATE TABLE fine (a); CREATE TABLE not fine (b)"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        migrated(path)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS[:-1], "CREATE TABLE fine (a)"))
    with Open(path) as at:
        assert at.inside("SELECT count(*) FROM fine") == [(0,)]
        assert at.inside("PRAGMA user_version") == [(len(schema.MIGRATIONS),)]


def test_a_bug_is_reported_as_one(path: Path) -> None:
    """Not as trouble with the store; and it fails alone."""
    with Open(path) as at:
        known, half, others = response(), response(), [response() for _ in range(20)]
        half.output = [StoredItem("msg_half", None)]  # type: ignore[arg-type]
        at.do(at.store.save(known))

        async def save_all() -> list[bool | BaseException]:
            return await asyncio.gather(*map(at.store.save, [known, half, *others]), return_exceptions=True)

        again, torn, *results = at.do(save_all())
        assert results == [True] * 20
        assert isinstance(again, sqlite3.IntegrityError)
        assert isinstance(torn, sqlite3.IntegrityError)
        stats = at.do(at.store.stats())
        assert (stats["responses"], stats["response_items"]) == (21, 42)


def test_a_connection_that_broke_is_opened_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Open(path) as at:
        with monkeypatch.context() as broken:
            broken.setattr(writer.Writer, "_commit", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                at.do(at.store.save(response()))
        assert at.do(at.store.save(response()))


def test_what_is_asked_of_a_store_while_it_closes(path: Path) -> None:
    """It is refused, as what passes; afterwards the store opens again."""

    async def close(store: SqliteStore) -> ApiError:
        await store.response(ME, "resp_1")
        closing = asyncio.create_task(store.aclose())
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as caught:
            await store.response(ME, "resp_1")
        await closing
        assert await store.save(known := response())
        assert await store.response(ME, known.id) == known
        return caught.value

    with Open(path) as at:
        assert at.do(close(at.store)).status == 503
