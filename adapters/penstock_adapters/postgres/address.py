"""The store's URL: the address of the database, and the store's settings in its query.

It knows text only, and never repeats the URL in an error, because it contains a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

CONNECTIONS_MAX = 10
"""More would not commit faster: the server is limited by its cores and its disk."""
STATEMENT_TIMEOUT_S = 10.0
"""How many seconds the server may take for a statement; the longest is a sweep of expired rows."""
CONNECT_S = 5.0
"""How many seconds a connection, or the wait for a free one, may take."""
GRACE_S = 2.0
"""How many seconds after the server's own timeout a connection is closed."""

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The address of the database, and how it is used."""

    url: str
    schema: str = "penstock"
    connections_max: int = CONNECTIONS_MAX
    statement_timeout_s: float = STATEMENT_TIMEOUT_S

    def connection_settings(self, **more: str) -> dict[str, Any]:
        """The settings with which every connection is opened.

        `jit` is off: it costs tens of milliseconds where the planner overestimates the rows of a recursive query.
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
