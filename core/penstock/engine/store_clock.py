"""The store's clock: replicas with different clocks use it for leases and locks.

It asks the store for the time once in a while, and continues from there by a monotonic clock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from penstock.ids import clock_s
from penstock.ports import Store

_log = logging.getLogger("penstock.store")

_SKEW_MAX_S = 5.0
"""The difference in seconds from which on the log has a warning."""


class StoreClock:
    """The time in Unix seconds by the store's clock; by this machine's before the first `ask`."""

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
        """The current time."""
        # spec: one-clock
        return self._own_s() if self._offset_s is None else self._monotonic_s() + self._offset_s

    async def ask(self) -> None:
        """Ask the store for its time; half of the round trip is subtracted. Raises `ApiError`."""
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
            _log.warning("the clock of this machine is %.0f s %s the store's, which leases use", abs(skew_s), side)
