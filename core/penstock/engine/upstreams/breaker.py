"""The circuit breaker of one upstream: after repeated failures no requests are sent for a while, then a single probe.

It is a state table and a clock. It knows only how requests ended and which client sent them; its state is not stored.

A request may be the cause of a failure. So a request counts once, however often it is tried or sent again. While only
one client's requests have failed, only that client's are rejected: other clients' requests show whether it works.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Literal, TypeAlias

import msgspec

from penstock.ids import Clock
from penstock.limits import Limits

_log = logging.getLogger("penstock.breaker")

State: TypeAlias = Literal["closed", "open", "probing"]
Outcome: TypeAlias = Literal["answered", "failed", "tripped", "rested", "dropped"]

_TABLE: dict[tuple[State, Outcome], State] = {
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
"""An open breaker ignores the outcome of requests that were sent before it opened."""

_LOG_LINES: dict[State, tuple[int, str]] = {
    "closed": (logging.INFO, "upstream %s answers again"),
    "open": (logging.WARNING, "upstream %s fails; no requests are sent to it for now"),
    "probing": (logging.INFO, "upstream %s gets one request, to see whether it works again"),
}
_PROBE_WAIT_S = 1.0
"""How many seconds other requests wait for the result of a probe."""


class Failure(msgspec.Struct, frozen=True):
    """A failed request: its client, and its identity. The same request sent again is the same failure."""

    client: str
    request: Hashable


class Breaker:
    """Call `admit` before each attempt, and report its outcome with the returned ticket."""

    def __init__(self, name: str, limits: Limits, clock_s: Clock) -> None:
        self.name = name
        self._failures_max = limits.breaker_failures
        self._rest_s = limits.breaker_rest_s
        self._clock_s = clock_s
        self._failures: set[Failure] = set()
        """Failures since the last success."""
        self._rests_until = 0.0
        self._changes = 0
        self.trips = 0
        """How often it opened after it was closed."""
        self.state: State = "closed"

    def wait_s(self, client: str) -> float:
        """How many seconds this client will not be admitted, as far as that is known; 0 where it is admitted."""
        if self.state == "closed" or self._is_unaffected(client):
            return 0.0
        return _PROBE_WAIT_S if self.state == "probing" else max(self._rests_until - self._clock_s(), 0.0)

    def admit(self, client: str) -> int | None:
        """A ticket for one attempt; None while no requests are sent to the upstream."""
        if self.state == "closed":
            return self._changes
        if self.wait_s(client) > 0:
            return None
        if self.state == "open" and self._clock_s() >= self._rests_until:
            self._apply("rested")
        return self._changes

    def answered(self, ticket: int) -> None:
        """The upstream has answered."""
        if ticket == self._changes:
            self._failures.clear()
            if self.state != "closed":
                self._apply("answered")

    def failed(self, ticket: int, failure: Failure) -> None:
        """The upstream has failed to answer this request."""
        if ticket == self._changes:
            self._failures.add(failure)
            self._rests_until = self._clock_s() + self._rest_s
            is_too_much = self.state == "closed" and len(self._failures) >= self._failures_max
            self._apply("tripped" if is_too_much else "failed")

    def dropped(self, ticket: int) -> None:
        """The attempt ended without information about the upstream; after a probe, the next request is one."""
        if ticket == self._changes:
            self._apply("dropped")

    def _is_unaffected(self, client: str) -> bool:
        """Whether all failures are those of one other client."""
        clients = {failure.client for failure in self._failures}
        # spec: blameless-upstreams
        return len(clients) == 1 and client not in clients

    def _apply(self, outcome: Outcome) -> None:
        state = _TABLE[self.state, outcome]
        if state == self.state:
            return
        self.trips += outcome == "tripped"
        self.state = state
        self._changes += 1
        level, line = _LOG_LINES[state]
        _log.log(level, line, self.name)
