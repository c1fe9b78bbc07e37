"""The circuit breaker of one upstream: what fails time after time is left alone for a while, then tried by one request.

It is a table and a clock. It knows nothing of requests but how they ended, and lives as long as its process.
"""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from penstock.ids import Clock
from penstock.limits import Limits

_log = logging.getLogger("penstock.breaker")

State: TypeAlias = Literal["closed", "open", "probing"]
Happening: TypeAlias = Literal["answered", "failed", "tripped", "rested", "dropped"]

_TABLE: dict[tuple[State, Happening], State] = {
    ("closed", "answered"): "closed",
    ("closed", "failed"): "closed",
    ("closed", "dropped"): "closed",
    ("closed", "tripped"): "open",
    ("open", "rested"): "probing",
    ("probing", "answered"): "closed",
    ("probing", "failed"): "open",
    ("probing", "dropped"): "open",
}
"""An open one hears of no request: what was asked before it opened tells of another time."""

_NEWS: dict[State, tuple[int, str]] = {
    "closed": (logging.INFO, "upstream %s answers again"),
    "open": (logging.WARNING, "upstream %s fails and is left alone"),
    "probing": (logging.INFO, "upstream %s is asked by one request whether it is back"),
}
_PROBE_WAIT_S = 1.0
"""How long to wait for what a probe finds out."""


class Breaker:
    """Ask `admit` before each attempt, and tell how it ended by the ticket that was given."""

    def __init__(self, name: str, limits: Limits, clock_s: Clock) -> None:
        self.name = name
        self._failures_max = limits.breaker_failures
        self._rest_s = limits.breaker_rest_s
        self._clock_s = clock_s
        self._failures = 0
        self._rests_until = 0.0
        self._changes = 0
        self.state: State = "closed"

    @property
    def wait_s(self) -> float:
        """How long nobody is admitted from now on, as far as that is known; 0 where somebody would be."""
        if self.state == "open":
            return max(self._rests_until - self._clock_s(), 0.0)
        return 0.0 if self.state == "closed" else _PROBE_WAIT_S

    def admit(self) -> int | None:
        """A ticket for one attempt, or None while the upstream is left alone."""
        if self.wait_s > 0:
            return None
        if self.state == "open":
            self._happen("rested")
        return self._changes

    def answered(self, ticket: int) -> None:
        """The upstream is well."""
        if ticket == self._changes:
            self._failures = 0
            self._happen("answered")

    def failed(self, ticket: int) -> None:
        """The upstream is not well."""
        if ticket == self._changes:
            self._failures += 1
            self._rests_until = self._clock_s() + self._rest_s
            is_too_much = self.state == "closed" and self._failures >= self._failures_max
            self._happen("tripped" if is_too_much else "failed")

    def dropped(self, ticket: int) -> None:
        """The attempt ended without telling anything of the upstream; a probe is made by the next one."""
        if ticket == self._changes:
            self._happen("dropped")

    def _happen(self, happening: Happening) -> None:
        state = _TABLE[self.state, happening]
        if state == self.state:
            return
        self.state = state
        self._changes += 1
        level, news = _NEWS[state]
        _log.log(level, news, self.name)
