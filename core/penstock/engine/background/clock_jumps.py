"""Jumps of the store's clock: after one forward, leases look expired until their processes renew them.

It knows two clocks. What a lease is, its caller knows.
"""

from __future__ import annotations

import time

from penstock.ids import Clock

_JUMP_S = 1.0
"""How many seconds a clock gains on the monotonic one when it is set. What the store's answer takes is less."""


class ClockJumps:
    """Whether the leases in the store can be judged by a clock, which may be set forward at any time.

    `lease_s` is within what time every living process has renewed its leases by the new time.
    """

    def __init__(self, clock_s: Clock, lease_s: float, monotonic_s: Clock = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lease_s = lease_s
        self._monotonic_s = monotonic_s
        self._offset_s: float | None = None
        self._judges_from_s = 0.0

    def may_judge(self) -> bool:
        """Whether a lease that looks expired is expired. It must be asked in each round."""
        steady_s = self._monotonic_s()
        offset_s = self._clock_s() - steady_s
        # spec: one-clock
        if self._offset_s is not None and offset_s - self._offset_s > _JUMP_S:
            self._judges_from_s = steady_s + self._lease_s
        self._offset_s = offset_s
        return steady_s >= self._judges_from_s
