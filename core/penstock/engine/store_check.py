"""The check of the store for health probes: at most one in a while, with a short timeout."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from penstock.errors import ApiError
from penstock.ids import Clock
from penstock.limits import Limits
from penstock.ports import Store
from penstock.telemetry import OutageLog

from .loops import LoopLock


class StoreCheck:
    """The check of one store; `open_store` opens it where necessary."""

    def __init__(
        self, store: Store | None, open_store: Callable[[], Awaitable[None]], limits: Limits, clock_s: Clock
    ) -> None:
        self._store = store
        self._open_store = open_store
        self._limits = limits
        self._clock_s = clock_s
        self._checking = LoopLock()
        self._outage = OutageLog(logging.getLogger("penstock.store"), "The check of the store")
        self._checked_at = -float("inf")
        self._works = True

    async def works(self) -> bool:
        """Whether rows could be read and written in the last check; True without a store."""
        if self._store is None:
            return True
        async with self._checking:
            if self._clock_s() - self._checked_at >= self._limits.store_check_fresh_s:
                self._works = await self._check(self._store)
                self._checked_at = self._clock_s()
        return self._works

    async def _check(self, store: Store) -> bool:
        try:
            async with asyncio.timeout(self._limits.store_check_s):
                await self._open_store()
                await store.check()
        except (ApiError, TimeoutError):  # the store has logged it, or is slow
            return False
        except Exception as error:
            self._outage.failed(f"{type(error).__name__}: {error}", error)
            return False
        self._outage.succeeded()
        return True
