"""How many calls of hosted tools run at a time: in all, and of each owner, whose slow tools delay no other's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock.engine.loops import LoopSemaphore


class _Owner:
    """The slots of one owner, while it uses any or waits for one."""

    def __init__(self, number: int) -> None:
        self.slots = LoopSemaphore(number)
        self.users = 0


class OwnerSlots:
    """The slots of all owners."""

    def __init__(self, number: int, owner_number: int) -> None:
        self._slots = LoopSemaphore(number)
        self._owner_number = owner_number
        self._owners: dict[str, _Owner] = {}

    @asynccontextmanager
    async def use(self, owner: str) -> AsyncIterator[None]:
        """Use a slot. The calls of one owner wait for each other before they wait for those of others."""
        # spec: fair-tools
        own = self._owners.setdefault(owner, _Owner(self._owner_number))
        own.users += 1
        try:
            async with own.slots, self._slots:
                yield
        finally:
            own.users -= 1
            if not own.users:
                del self._owners[owner]
