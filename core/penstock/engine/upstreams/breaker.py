"""The circuit breaker of one upstream: what fails time after time is left alone for a while, then tried by one request.

It is a table and a clock. It knows of requests how they ended and whose they were, and lives as long as its process.

A request may be what makes an upstream fail. So it counts once, however often it is tried or sent again, and as long as
the requests of one client alone have failed, only that client's are refused: another one's find out whether they do.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Literal, NamedTuple, TypeAlias

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
    ("open", "answered"): "closed",
    ("open", "failed"): "open",
    ("open", "dropped"): "open",
    ("probing", "answered"): "closed",
    ("probing", "failed"): "open",
    ("probing", "dropped"): "open",
}
"""Of what was asked before it opened an open one takes no notice: that tells of another time."""

_NEWS: dict[State, tuple[int, str]] = {
    "closed": (logging.INFO, "upstream %s answers again"),
    "open": (logging.WARNING, "upstream %s fails and is left alone"),
    "probing": (logging.INFO, "upstream %s is asked by one request whether it is back"),
}
_PROBE_WAIT_S = 1.0
"""How long to wait for what a probe finds out."""


class Failure(NamedTuple):
    """A request that failed: whose it was, and what tells it from others; the same one again is the same failure."""

    client: str
    request: Hashable


class Breaker:
    """Ask `admit` before each attempt, and tell how it ended by the ticket that was given."""

    def __init__(self, name: str, limits: Limits, clock_s: Clock) -> None:
        self.name = name
        self._failures_max = limits.breaker_failures
        self._rest_s = limits.breaker_rest_s
        self._clock_s = clock_s
        self._failures: set[Failure] = set()
        """Those since the last sign of life."""
        self._rests_until = 0.0
        self._changes = 0
        self.state: State = "closed"

    def wait_s(self, client: str) -> float:
        """How long this client is not admitted from now on, as far as that is known; 0 where it would be."""
        if self.state == "closed" or self._is_innocent(client):
            return 0.0
        return _PROBE_WAIT_S if self.state == "probing" else max(self._rests_until - self._clock_s(), 0.0)

    def admit(self, client: str) -> int | None:
        """A ticket for one attempt, or None while the upstream is left alone."""
        if self.wait_s(client) > 0:
            return None
        if self.state == "open" and self._clock_s() >= self._rests_until:
            self._happen("rested")
        return self._changes

    def answered(self, ticket: int) -> None:
        """The upstream is well."""
        if ticket == self._changes:
            self._failures.clear()
            self._happen("answered")

    def failed(self, ticket: int, failure: Failure) -> None:
        """The upstream is not well, as far as this request tells."""
        if ticket == self._changes:
            self._failures.add(failure)
            self._rests_until = self._clock_s() + self._rest_s
            is_too_much = self.state == "closed" and len(self._failures) >= self._failures_max
            self._happen("tripped" if is_too_much else "failed")

    def dropped(self, ticket: int) -> None:
        """The attempt ended without telling anything of the upstream; a probe is made by the next one."""
        if ticket == self._changes:
            self._happen("dropped")

    def _is_innocent(self, client: str) -> bool:
        """Whether all that failed was another client's, of one and the same."""
        clients = {failure.client for failure in self._failures}
        return len(clients) == 1 and client not in clients

    def _happen(self, happening: Happening) -> None:
        state = _TABLE[self.state, happening]
        if state == self.state:
            return
        self.state = state
        self._changes += 1
        level, news = _NEWS[state]
        _log.log(level, news, self.name)
