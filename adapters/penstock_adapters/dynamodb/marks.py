"""Marks, in DynamoDB: a row each, which is written where there is none in force."""

from __future__ import annotations

from ._base import Base
from .items import owned_partition
from .rows import HEAD, due
from .table import ConditionFailed, Key

MARK = "mark#"


class DynamoMarks(Base):
    """The store's `Marks`."""

    async def mark_once(self, owner: str, name: str, *, expires_at: int) -> bool:
        """See `Marks`."""
        pk = owned_partition("mark", owner, name)
        row = {"pk": pk, "sk": HEAD, "expires": expires_at, **due(pk, expires_at)}
        try:
            await self._table.put(row, "attribute_not_exists(#pk) OR #expires <= :now", {"now": self._now_s()})
        except ConditionFailed:
            return False
        return True

    async def _sweep_mark(self, key: Key, now: float) -> int:
        """Remove a mark that has expired. Returns how many were removed."""
        try:
            await self._table.delete(key, "#expires <= :now", {"now": now})
        except ConditionFailed:
            return 0
        return 1
