"""The PostgreSQL store without a server: its URL, its errors, and what importing it costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import asyncpg
import pytest

from conformance.servers import free_port
from penstock.errors import ApiError
from penstock_adapters.postgres import PostgresStore, database
from penstock_adapters.postgres.address import Address, read_address
from penstock_adapters.postgres.migrations import read_scripts

SECRET = "hunter2"


def test_importing_and_making_one_needs_no_driver() -> None:
    code = (
        "import sys; from penstock_adapters.postgres import PostgresStore; PostgresStore('postgresql://db/x');"
        "sys.exit('asyncpg' in sys.modules)"
    )
    path = ":".join(each for each in sys.path if each.endswith(("core", "adapters", "site-packages")))
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False).returncode == 0


def test_the_settings_in_a_url() -> None:
    url = f"postgresql://me:{SECRET}@db.example.com:6000/penstock?sslmode=require"
    assert read_address(url) == Address(url=url)
    ours = "schema=other&connections_max=3&statement_timeout_s=0.5"
    address = read_address(f"{url}&{ours}")
    assert address == Address(url=url, schema="other", connections_max=3, statement_timeout_s=0.5)
    settings = address.connection_settings(jit="on")["server_settings"]
    assert (settings["search_path"], settings["statement_timeout"], settings["jit"]) == ("other", "500", "on")


def test_what_is_not_ours_is_the_drivers() -> None:
    url = "postgres:///penstock?host=%2Ftmp%2Fa+b&user=x%26y"
    assert read_address(url).url == "postgres:///penstock?host=%2Ftmp%2Fa+b&user=x%26y"


@pytest.mark.parametrize(
    "wrong",
    [
        "schema=", "schema=Other", "schema=a;drop", "schema=pg_temp", "schema=1a", "connections_max=0",
        "connections_max=many", "connections_max=-1", "statement_timeout_s=0", "statement_timeout_s=nan",
        "statement_timeout_s=soon",
    ],
)  # fmt: skip
def test_a_mistake_in_a_url_names_the_setting_and_not_the_password(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.partition("=")[0]) as raised:
        PostgresStore(f"postgresql://me:{SECRET}@db/x?{wrong}")
    assert SECRET not in str(raised.value)


def test_another_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="postgresql://") as raised:
        PostgresStore(f"mysql://me:{SECRET}@db/x")
    assert SECRET not in str(raised.value)


def test_the_migrations_are_numbered() -> None:
    assert len(read_scripts()) >= 1


@pytest.mark.parametrize(
    "words",
    [
        "connection is closed",
        "cannot perform operation: connection is closed",
        "cannot perform operation: another operation is cancelling",
        "pool is closing",
        "pool is closed",
        "cannot call Connection.fetch(): connection has been released back to the pool",
    ],
)
def test_a_connection_that_is_gone_is_an_outage(words: str) -> None:
    error = database.api_error(asyncpg.InterfaceError(words))
    assert isinstance(error, ApiError)
    assert error.status == 503


@pytest.mark.parametrize(
    "words",
    [
        "the server expects 2 arguments for this query, 1 was passed",
        "cannot perform operation: another operation is in progress",
    ],
)
def test_misuse_of_the_driver_is_a_bug(words: str) -> None:
    error = asyncpg.InterfaceError(words)
    assert database.api_error(error) is error


def test_no_server() -> None:
    """Every error is the same and may be tried again; none contains the address of the server."""

    async def ask() -> None:
        store = PostgresStore(f"postgresql://me:{SECRET}@127.0.0.1:{free_port()}/x")
        for attempt in (
            store.response("me", "resp_1"),
            store.delete_response("me", "resp_1"),
            store.migrate(),
            store.wait_for_events("resp_1", after=0, timeout_s=9),
        ):
            with pytest.raises(ApiError) as raised:
                await attempt
            assert (raised.value.status, raised.value.type, raised.value.code) == (503, "server_error", "server_error")
            assert raised.value.retriable
            assert "127.0.0.1" not in raised.value.message
        await store.aclose()

    asyncio.run(ask())
