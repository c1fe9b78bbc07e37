"""A store that fails: what still works, what is reported, and that it is reported once."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from requirements import shows
from support import raw
from support.ignored_headers import CheckedReply, post
from support.server import PenstockServer
from support.waiting import until

AWAY = "redis://127.0.0.1:1/0"
FRESH_S = 0.05
FRESH = {"PENSTOCK_LIMITS_STORE_CHECK_FRESH_S": str(FRESH_S)}


def respond(server: PenstockServer, **fields: object) -> CheckedReply:
    return post(server.url, {"model": "synthetic", "input": "Hi", **fields})


def status(server: PenstockServer, path: str) -> int:
    return raw.ask(server.base, "GET", path).status


def check_what_needs_no_store(server: PenstockServer) -> None:
    assert [status(server, path) for path in ("/healthz", "/health", "/", "/openapi.json", "/v1/models")] == [200] * 5
    assert respond(server, store=False).response["status"] == "completed"
    counted = post(server.url, {"model": "synthetic", "input": "Hi"}, "/responses/input_tokens")
    assert counted.status == 200


def check_what_needs_it(server: PenstockServer) -> None:
    for answer in (
        respond(server),
        respond(server, background=True),
        respond(server, store=False, previous_response_id="resp_1"),
        post(server.url, {}, "/conversations"),
    ):
        assert (answer.status, answer.error["type"]) == (503, "server_error")
        assert int(answer.headers["retry-after"]) >= 1
    ready = raw.ask(server.base, "GET", "/readyz")
    assert (ready.status, ready.json()["reasons"]) == (503, ["The store does not work; the log has the reason."])


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[tuple[PenstockServer, Path]]:
    path = tmp_path / "store.db"
    with PenstockServer(env=FRESH | {"PENSTOCK_STORE": f"sqlite:///{path}"}) as server:
        yield server, path


@shows("failing-stores", "one-line-an-outage", "store-down")
def test_a_store_that_is_down_at_the_start() -> None:
    with PenstockServer(env=FRESH | {"PENSTOCK_STORE": AWAY}) as server:
        for _ in range(3):
            check_what_needs_no_store(server)
        check_what_needs_it(server)
        until(lambda: "The store in Redis fails" in server.log)
        assert server.log.count("The store in Redis fails") == 1
        assert "Traceback" not in server.log


@shows("failing-stores", "one-line-an-outage")
def test_a_file_that_is_deleted_under_the_server(on_sqlite: tuple[PenstockServer, Path]) -> None:
    server, path = on_sqlite
    first = respond(server)
    assert (first.status, status(server, "/readyz")) == (200, 200)
    away = path.with_name("away.db")
    path.rename(away)
    for _ in range(3):
        assert respond(server).status == 503
    check_what_needs_no_store(server)
    until(lambda: status(server, "/readyz") == 503)
    until(lambda: "was deleted or replaced while the server uses it" in server.log)
    assert server.log.count("was deleted or replaced while the server uses it") == 1
    assert "Traceback" not in server.log
    away.rename(path)
    until(lambda: status(server, "/readyz") == 200)
    again = respond(server, previous_response_id=first.response["id"])
    assert again.response["status"] == "completed"


@shows("failing-stores", "one-line-an-outage")
def test_a_file_that_may_grow_no_further(on_sqlite: tuple[PenstockServer, Path]) -> None:
    """Some rows still fit where others were; the server is ready again when large ones do."""
    server, path = on_sqlite
    assert respond(server).status == 200
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (path.stat().st_size + 100_000, resource.RLIM_INFINITY))
    until(lambda: respond(server, metadata={"a": "x" * 500}, instructions="x" * 20_000).status == 503)
    time.sleep(FRESH_S)
    assert status(server, "/readyz") == 503
    assert server.log.count(f"The store {path} fails") == 1
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: status(server, "/readyz") == 200)
    assert respond(server).status == 200
    assert server.log.count(f"The store {path} fails") == 1


@shows("failing-stores", "store-replaced")
def test_another_file_under_its_name_is_not_written_to(on_sqlite: tuple[PenstockServer, Path]) -> None:
    server, path = on_sqlite
    assert respond(server).status == 200
    path.unlink()
    path.write_bytes(b"")
    assert respond(server).status == 503
    assert path.read_bytes() == b""


@shows("failing-stores")
def test_a_file_that_is_no_database_is_reported_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"no database" * 1_000)
    with PenstockServer(env={"PENSTOCK_STORE": f"sqlite:///{tmp_path / 'bad.db'}"}) as server:
        until(lambda: "the file is not a SQLite database" in server.log)
        until(lambda: str(tmp_path / "bad.db") in server.log)
        assert "Traceback" not in server.log


def test_the_banner_has_the_absolute_path() -> None:
    with PenstockServer(env={"PENSTOCK_STORE": "sqlite:///data/x.db"}) as server:
        until(lambda: "store: sqlite:////" in server.log)
        [line] = [line for line in server.lines if "store: sqlite:////" in line]
        assert line.rstrip().endswith("/data/x.db")
