"""The store's URL: where the database is, and the few settings of our own in its query.

It knows text only, and never repeats the URL in an error: there is a password in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

CONNECTIONS_MAX = 10
"""More would not commit faster: a server's work is its cores' and its disk's."""
STATEMENT_TIMEOUT_S = 10.0
"""How long the server may work on one statement; the longest of ours removes a batch of what expired."""
CONNECT_S = 5.0
"""Connecting, and waiting for a connection that is free."""
GRACE_S = 2.0
"""How much later than the server's own timeout a connection is given up."""

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database is, and how it is used."""

    url: str
    schema: str = "penstock"
    connections_max: int = CONNECTIONS_MAX
    statement_timeout_s: float = STATEMENT_TIMEOUT_S

    def connection_settings(self, **more: str) -> dict[str, Any]:
        """What every connection is opened with.

        `jit` is off because it costs tens of milliseconds where a recursive query's rows are guessed too high.
        """
        settings = {
            "application_name": "penstock",
            "search_path": self.schema,
            "statement_timeout": str(int(self.statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",
        }
        return {
            "dsn": self.url,
            "timeout": CONNECT_S,
            "command_timeout": self.statement_timeout_s + GRACE_S,
            "server_settings": settings | more,
        }


def read_address(url: str) -> Address:
    """The address in a URL. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("the URL of a PostgreSQL store begins with postgresql://")
    query = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name: _OURS[name](value) for name, value in query if name in _OURS}
    theirs = urlencode([(name, value) for name, value in query if name not in _OURS])
    base = url.partition("?")[0]
    return Address(url=f"{base}?{theirs}" if theirs else base, **ours)


def _schema(value: str) -> str:
    if not _SCHEMA.fullmatch(value) or value.startswith("pg_"):
        raise ValueError("the store's schema is a name of lower-case letters, digits and underscores")
    return value


def _connections(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 1_000:
        raise ValueError("the store's connections_max is a number from 1 to 1000")
    return int(value)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3_600:
        raise ValueError("the store's statement_timeout_s is a number of seconds from 0.1 to 3600")
    return seconds


_OURS: dict[str, Callable[[str], Any]] = {
    "schema": _schema,
    "connections_max": _connections,
    "statement_timeout_s": _seconds,
}
