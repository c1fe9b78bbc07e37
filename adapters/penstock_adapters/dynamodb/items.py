"""Items of a response as two blobs: an index with each item's id and length, and their bodies one after the other.

The index alone answers which items there are, without their bodies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from penstock.ports import StoredItem

from .table import Key

_ENTRY = Struct("<HI")
"""The length of an id, and that of its body."""
_KEY_CHARS_MAX = 1_000
"""A longer key is replaced by its hash: a partition's key has at most 2,048 bytes."""


class Entry(NamedTuple):
    """An item in an index, and where its body stands."""

    id: str
    start: int
    end: int


def index_of(items: Sequence[StoredItem]) -> bytes:
    """The index of some items."""
    pieces: list[bytes] = []
    for item in items:
        item_id = item.id.encode()
        pieces += (_ENTRY.pack(len(item_id), len(item.body)), item_id)
    return b"".join(pieces)


def bodies_of(items: Sequence[StoredItem]) -> bytes:
    """The bodies of some items."""
    return b"".join(item.body for item in items)


def entries_of(index: bytes) -> list[Entry]:
    """The items of an index."""
    entries: list[Entry] = []
    at = start = 0
    while at < len(index):
        id_length, length = _ENTRY.unpack_from(index, at)
        at += _ENTRY.size + id_length
        entries.append(Entry(index[at - id_length : at].decode(), start, start + length))
        start += length
    return entries


def items_of(index: bytes, bodies: bytes) -> list[StoredItem]:
    """The items of an index and its bodies."""
    return [StoredItem(entry.id, bodies[entry.start : entry.end]) for entry in entries_of(index)]


def home_key(owner: str, item_id: str, home: str) -> Key:
    """The key of the row that lists a home of an item: the partition of a response or conversation that contains it."""
    return Key(owned_partition("item", owner, item_id), home)


def owned_partition(kind: str, owner: str, name: str) -> str:
    """The partition of a name of an owner. The length of the owner makes it unique."""
    pk = f"{kind}#{len(owner)}#{owner}#{name}"
    return pk if len(pk) <= _KEY_CHARS_MAX else f"{kind}##{hashlib.sha256(pk.encode()).hexdigest()}"
