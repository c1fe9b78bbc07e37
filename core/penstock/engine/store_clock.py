"""The store's clock as this process sees it: replicas whose own clocks differ agree on leases and locks by it.

It asks the store for the time once in a while, and counts on from there by a clock that never jumps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from penstock.ids import clock_s
from penstock.ports import Store

_log = logging.getLogger("penstock.store")

_SKEW_MAX_S = 5.0
"""A difference that is worth a line in the log."""


class StoreClock:
    """The time in Unix seconds by the store's clock; by this machine's until `ask` has been called."""

    def __init__(
        self,
        store: Store,
        *,
        own_s: Callable[[], float] = clock_s,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._own_s = own_s
        self._monotonic_s = monotonic_s
        self._offset_s: float | None = None
        self._is_skew_logged = False

    def __call__(self) -> float:
        """The time now."""
        return self._own_s() if self._offset_s is None else self._monotonic_s() + self._offset_s

    async def ask(self) -> None:
        """Ask the store for its time; half of the way there and back is the answer's. Raises `ApiError`."""
        began = self._monotonic_s()
        store_s = await self._store.time_s()
        ended = self._monotonic_s()
        self._offset_s = store_s - (began + ended) / 2
        self._log_skew(self._own_s() - self())

    def _log_skew(self, skew_s: float) -> None:
        if abs(skew_s) <= _SKEW_MAX_S:
            self._is_skew_logged = False
        elif not self._is_skew_logged:
            self._is_skew_logged = True
            side = "ahead of" if skew_s > 0 else "behind"
            _log.warning("the clock of this machine is %.0f s %s the store's, which leases go by", abs(skew_s), side)
