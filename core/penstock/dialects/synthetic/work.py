"""Work: how much one turn may cost where schemas decide what is made.

It knows a number that only falls. What costs how much, the modules that spend it say: a unit is about a microsecond.
"""

from __future__ import annotations

from .schema import NoValue

WORK_MAX = 200_000
"""What all schemas of one turn may cost together."""


class Work:
    """What is left of a turn's work."""

    def __init__(self, units: int = WORK_MAX) -> None:
        self._left = units

    def spend(self, units: int) -> None:
        """Raises `NoValue` when nothing is left."""
        self._left -= units
        if self._left < 0:
            raise NoValue("it is too involved.")
