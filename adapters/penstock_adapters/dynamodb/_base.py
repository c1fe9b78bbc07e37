"""What all parts of the store have: the table, the clock, and the trails of chains."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .attributes import Row
from .blobs import read_blobs
from .rows import SAVED_BLOBS, SAVED_VERSION, SETTLED_BLOBS
from .table import Table
from .trails import Trails


class Base:
    """The parts' common attributes."""

    _table: Table
    _trails: Trails
    _now_s: Callable[[], float]

    async def _blobs(self, row: Row, names: Iterable[str]) -> dict[str, bytes]:
        """Blobs of a response's row. Raises `BlobLost`."""
        wanted = set(names)
        saved = await read_blobs(self._table, row["pk"], row, wanted & {*SAVED_BLOBS}, "saved_lengths", SAVED_VERSION)
        settled = await read_blobs(
            self._table, row["pk"], row, wanted & {*SETTLED_BLOBS}, "lengths", row.get("version", "")
        )
        return saved | settled
