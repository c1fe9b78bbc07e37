"""The port to a database of D1: batches of statements, and their rows.

Each batch is a transaction. Parameters are numbered, and ?1 is always the time in whole Unix seconds. JSON is stored as
text, since D1 returns a blob as an array of numbers.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from penstock.ids import now_s
from penstock.ports import StoredItem, TooManyBytes

Row: TypeAlias = dict[str, Any]
Value: TypeAlias = str | int | float | None

UNEXPIRED = "(expires_at IS NULL OR expires_at > ?1)"
RUNNING = "status IN ('queued', 'in_progress')"

_BASE64 = "\x01"
"""The first character of a text that is base64, of bytes that are no UTF-8."""
_PARAMETER_BYTES_MAX = 500_000
"""About how many bytes of items one parameter has. D1 takes 2,000,000, and one item may be that long."""


class Statement(NamedTuple):
    """A statement and its parameters from ?2 on."""

    sql: str
    values: tuple[Value, ...] = ()


class Database(Protocol):
    """A database of D1."""

    is_migrated: bool
    """Whether its schema is known to be this version's."""

    async def batch(self, statements: Sequence[Statement], now: int) -> list[list[Row]]:
        """Run statements as one transaction. Returns the rows of each. Raises `ApiError` where D1 fails."""


class StorePart:
    """One part of the store. All parts have the same database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _batch(self, *statements: Statement) -> list[list[Row]]:
        return await self._database.batch(statements, now_s())

    async def _rows(self, sql: str, *values: Value) -> list[Row]:
        """The rows of one statement."""
        [rows] = await self._batch(Statement(sql, values))
        return rows


def text_of(data: bytes) -> str:
    """Bytes as text. JSON is itself; bytes that D1 could not return unchanged are encoded."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = _BASE64
    return _BASE64 + b64encode(data).decode() if text.startswith(_BASE64) or "\0" in text else text


def bytes_of(text: str) -> bytes:
    """The bytes of a text of `text_of`."""
    return b64decode(text[1:]) if text.startswith(_BASE64) else text.encode()


def pieces_of(items: Sequence[StoredItem]) -> Iterator[tuple[int, str]]:
    """Items as JSON arrays of an id and a body each, with the position of the first; none is too long a parameter."""
    piece: list[tuple[str, str]] = []
    start = size = 0
    for position, item in enumerate(items):
        if piece and size + len(item.body) > _PARAMETER_BYTES_MAX:
            yield start, json_of(piece)
            piece, start, size = [], position, 0
        piece.append((item.id, text_of(item.body)))
        size += len(item.body)
    if piece:
        yield start, json_of(piece)


def json_of(value: object) -> str:
    """A parameter for `json_each`."""
    return msgspec.json.encode(value).decode()


def checked(rows: Sequence[Row], bytes_max: int | None) -> Sequence[Row]:
    """The rows, each with the sum of all bodies in `total`. Raises `TooManyBytes` where that is over the limit."""
    if bytes_max is not None and rows and rows[0]["total"] > bytes_max:
        raise TooManyBytes
    return rows


def items_of(rows: Sequence[Row]) -> list[StoredItem]:
    """The items of rows with an id and a body."""
    return [StoredItem(row["id"], bytes_of(row["body"])) for row in rows]
