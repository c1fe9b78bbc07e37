"""Blobs: the bytes of a row that may not fit into it, since a row has at most 400 kB.

A row has its blobs beside its other attributes. Those that are too large stand in rows of their own, a piece each, in
the same partition, and the row has their lengths. The pieces of a changed row have a new version, and are written
before the row: a reader that finds none of the row's version reads the row again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from .attributes import Row, Value
from .table import Key, Table

PIECE_BYTES_MAX = 384_000
"""How many bytes a piece has. A row has at most 400 kB, with its key and the names of its attributes."""
INLINE_BYTES_MAX = 64 * 2**10
"""How many bytes of blobs a row has. A change of a row costs as much as the whole row."""
RUNNING_INLINE_BYTES_MAX = 4 * 2**10
"""The same for a response that has not ended, whose row changes with each renewal of its lease."""
BATCH_PIECES_MAX = 20
"""The pieces of one batch: a request has at most 16 MB, in base64."""


class BlobLost(Exception):
    """A piece is missing: the row has changed since it was read, or it was removed."""


def new_version() -> str:
    """A new version, which no other change has."""
    return os.urandom(9).hex()


class Split:
    """Blobs of one change of a row: what stands in the row, and the rows of the pieces."""

    def __init__(self, pk: str, blobs: Mapping[str, bytes], version: str, inline_max: int = INLINE_BYTES_MAX) -> None:
        self.inline = dict(blobs)
        self.lengths: dict[str, int] = {}
        """The lengths of the blobs that stand in pieces, by name."""
        self.pieces: list[Row] = []
        left = sum(map(len, blobs.values()))
        for name, blob in sorted(blobs.items(), key=lambda each: -len(each[1])):
            if left <= inline_max:
                break
            left -= len(blob)
            self.inline[name] = b""
            self.lengths[name] = len(blob)
            self.pieces += _pieces(pk, name, version, blob)

    def attributes(self, lengths: str) -> dict[str, Value]:
        """The attributes of the row; that of the name `lengths` has the lengths."""
        return {**self.inline, lengths: self.lengths or None}


def piece_keys(pk: str, name: str, version: str, length: int) -> list[Key]:
    """The keys of a blob's pieces."""
    return [Key(pk, _sort_key(name, version, number)) for number in range(-(-length // PIECE_BYTES_MAX))]


async def read_blobs(
    table: Table, pk: str, row: Mapping[str, Value], names: Iterable[str], lengths: str, version: str
) -> dict[str, bytes]:
    """Whole blobs of a row, by name. Raises `BlobLost`."""
    split: Mapping[str, int] = row.get(lengths) or {}
    found = {name: row.get(name, b"") for name in names}
    keys = [key for name in found if name in split for key in piece_keys(pk, name, version, split[name])]
    pieces = await table.read(keys, ("data",), at_once=BATCH_PIECES_MAX) if keys else {}
    for name in [name for name in found if name in split]:
        found[name] = b"".join(_data(pieces, key) for key in piece_keys(pk, name, version, split[name]))
    return found


async def read_ranges(
    table: Table, pk: str, name: str, version: str, length: int, ranges: Sequence[tuple[int, int]]
) -> list[bytes]:
    """Parts of a blob that stands in pieces, each given as its start and its end. Raises `BlobLost`."""
    keys = piece_keys(pk, name, version, length)
    wanted = {number for start, end in ranges for number in _numbers(start, end)}
    pieces = await table.read([keys[number] for number in sorted(wanted)], ("data",), at_once=BATCH_PIECES_MAX)
    parts = []
    for start, end in ranges:
        first = start // PIECE_BYTES_MAX
        data = b"".join(_data(pieces, keys[number]) for number in _numbers(start, end))
        parts.append(data[start - first * PIECE_BYTES_MAX : end - first * PIECE_BYTES_MAX])
    return parts


def _numbers(start: int, end: int) -> range:
    """The numbers of the pieces from a byte to another one."""
    return range(start // PIECE_BYTES_MAX, -(-end // PIECE_BYTES_MAX) if end > start else 0)


def _pieces(pk: str, name: str, version: str, blob: bytes) -> list[Row]:
    keys = piece_keys(pk, name, version, len(blob))
    return [
        {"pk": key.pk, "sk": key.sk, "data": blob[number * PIECE_BYTES_MAX : (number + 1) * PIECE_BYTES_MAX]}
        for number, key in enumerate(keys)
    ]


def _sort_key(name: str, version: str, number: int) -> str:
    return f"piece#{name}#{version}#{number:05d}"


def _data(pieces: Mapping[Key, Row], key: Key) -> bytes:
    row = pieces.get(key)
    if row is None:
        raise BlobLost
    data: bytes = row["data"]
    return data
