"""Outages in the log: a line for each reason when something begins to fail, and one line when it works again.

It knows reasons and times. The caller names what fails.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_REASON_CHARS_MAX = 500
_REASONS_MAX = 10
"""How many different reasons of one outage are logged."""
QUIET_S = 5.0
"""How long nothing may fail until an outage is over. A full store can still read between failed writes."""


class OutageLog:
    """Logs the outages of one thing. `name` is its name in the log lines. Any thread may call it."""

    def __init__(self, logger: logging.Logger, name: str, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._name = name
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._began_at = 0.0
        self._failed_at = 0.0
        self._failures = 0
        self._logged: set[str] = set()

    def failed(self, reason: str, error: BaseException | None = None) -> None:
        """An operation has failed. A reason is logged once for each outage, with the traceback of `error`."""
        reason = reason[:_REASON_CHARS_MAX]
        with self._lock:
            is_new = reason not in self._logged and len(self._logged) < _REASONS_MAX
            self._logged |= {reason} if is_new else set()
            self._failed_at = self._clock_s()
            if not self._failures:
                self._began_at = self._failed_at
            self._failures += 1
        # spec: one-line-an-outage
        if is_new:
            self._logger.error("%s fails: %s", self._name, reason, exc_info=error)

    def succeeded(self) -> None:
        """An operation has succeeded. This ends an outage after `QUIET_S` without a failure."""
        if not self._failures:
            return
        with self._lock:
            now = self._clock_s()
            # spec: one-line-an-outage
            if not self._failures or now - self._failed_at < QUIET_S:
                return
            failures, self._failures = self._failures, 0
            self._logged.clear()
        lasted_s = now - self._began_at
        self._logger.info("%s works again after %.0f s and %d failures", self._name, lasted_s, failures)
