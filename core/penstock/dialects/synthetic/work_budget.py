"""The work budget: how much work the schemas of one turn may cause.

A unit of work is about a microsecond. The modules that spend work define what costs how much.
"""

from __future__ import annotations

from .schema import NoValue

WORK_MAX = 200_000
"""The work that all schemas of one turn may cost together, in units."""


class WorkBudget:
    """The work that is left for a turn."""

    def __init__(self, units: int = WORK_MAX) -> None:
        self._left = units

    def spend(self, units: int) -> None:
        """Spend units of work. Raises `NoValue` when none are left."""
        self._left -= units
        # spec: synthetic-work
        if self._left < 0:
            raise NoValue("it is too involved.")
