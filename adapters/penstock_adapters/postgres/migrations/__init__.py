"""Migrations: the schema as numbered SQL files, each applied once, in order.

A file that was released is never changed; the next file corrects it. Migrations may run while replicas of the previous
version are running, so a column is dropped only after the version that no longer uses it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from typing import Any

from penstock_adapters.postgres.address import Address
from penstock_adapters.postgres.database import api_error

MIGRATION_S = 600.0
"""How many seconds all migrations together may take, including the wait for another replica's."""

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('penstock.migrations.' || $1, 0))"
HAS_SCHEMA = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)"
HAS_VERSION = "SELECT to_regclass('migrations') IS NOT NULL"
CREATE_VERSION = """
    CREATE TABLE migrations (number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())
"""
VERSION = "SELECT coalesce(max(number), 0) FROM migrations"
APPLIED = "INSERT INTO migrations (number) VALUES ($1)"


async def migrate(address: Address) -> None:
    """Migrate the schema to this version. Raises `RuntimeError` if it is of a newer Penstock."""
    driver = import_module("asyncpg")
    try:
        settings = address.connection_settings(statement_timeout="0", idle_in_transaction_session_timeout="0")
        connection = await driver.connect(**settings | {"command_timeout": MIGRATION_S})
        try:
            await _apply_missing(connection, address.schema)
        finally:
            await connection.close()
    except Exception as error:
        raise api_error(error) from error


async def _apply_missing(connection: Any, schema: str) -> None:
    """If there is nothing to apply, nothing is locked, and no right to change the schema is needed."""
    scripts = read_scripts()
    if await _version(connection, schema, len(scripts)) == len(scripts):
        return
    async with connection.transaction():
        await connection.execute(LOCK, schema)
        version = await _version(connection, schema, len(scripts))
        if version == 0:
            await _begin(connection, schema)
        for number, script in enumerate(scripts[version:], version + 1):
            await connection.execute(script)
            await connection.execute(APPLIED, number)


async def _version(connection: Any, schema: str, known: int) -> int:
    """The number of the last applied migration, or 0."""
    if not await connection.fetchval(HAS_SCHEMA, schema) or not await connection.fetchval(HAS_VERSION):
        return 0
    version: int = await connection.fetchval(VERSION)
    if version > known:
        raise RuntimeError(
            f"the schema {schema} of the database is of a newer Penstock (its version is {version}, this one's {known})"
        )
    return version


async def _begin(connection: Any, schema: str) -> None:
    if not await connection.fetchval(HAS_SCHEMA, schema):
        await connection.execute(f"CREATE SCHEMA {schema}")
    await connection.execute(CREATE_VERSION)


def read_scripts() -> list[str]:
    """The migrations in order; the first four characters of a file's name are its number."""
    found = sorted(
        (file for file in files(__package__).iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    if [int(file.name[:4]) for file in found] != list(range(1, len(found) + 1)):
        raise RuntimeError("a migration is missing, or there are two of one number")
    return [file.read_text(encoding="utf-8") for file in found]
