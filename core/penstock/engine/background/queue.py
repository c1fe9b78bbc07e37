"""The queue of background responses of one process, from which no owner takes all places and all runs.

It does no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from penstock.engine.running.request_deadline import RequestDeadline
from penstock.errors import rate_limited
from penstock.limits import Limits
from penstock.ports import Claim, StoredResponse
from penstock.secrets import Secret
from penstock.telemetry import AccessRecord

_RETRY_S = 5.0
"""The `Retry-After` of a full queue."""


class Waiting(msgspec.Struct, frozen=True):
    """A response that waits to be run. Its key is not stored: a process that takes it over has none."""

    row: StoredResponse
    claim: Claim
    key: Secret | None
    asked: AccessRecord | None = None
    """The access record of the request that created it, where this process received that request."""
    deadline: RequestDeadline | None = None
    """When the host ends this process, where it does."""


class Queue:
    """The responses that wait, in order, and how many of each owner wait and run."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[str, Waiting] = {}
        self._waiting_of: Counter[str] = Counter()
        self._running_of: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(list(self._waiting.values()))

    @property
    def is_full(self) -> bool:
        """Whether no response of any owner has room."""
        return len(self._waiting) >= self._limits.background_queue_max

    def check_room(self, owner: str) -> None:
        """Raise `ApiError` 429 where there is no room for another response of this owner."""
        # spec: fair-background
        if self.is_full or self._waiting_of[owner] >= self._limits.background_queue_per_key_max:
            raise rate_limited("Too many background responses are waiting.", retry_after_s=_RETRY_S)

    def add(self, waiting: Waiting) -> None:
        """Add a response at the end."""
        self._waiting[waiting.row.id] = waiting
        self._waiting_of[waiting.row.owner] += 1

    def next(self) -> Waiting | None:
        """The first response that may run now. It runs from then on, until `ended`."""
        if self._running_of.total() >= self._limits.background_runs_max:
            return None
        of_owner_max = self._limits.background_runs_per_key_max
        for waiting in self._waiting.values():
            if self._running_of[waiting.row.owner] < of_owner_max:
                self.remove(waiting.row.id)
                self._running_of[waiting.row.owner] += 1
                return waiting
        return None

    def ended(self, owner: str) -> None:
        """A response of this owner has ended its run."""
        _decrease(self._running_of, owner)

    def remove(self, response_id: str) -> Waiting | None:
        """Remove a response. Returns it, or None if it does not wait."""
        waiting = self._waiting.pop(response_id, None)
        if waiting is not None:
            _decrease(self._waiting_of, waiting.row.owner)
        return waiting

    def clear(self) -> None:
        """Remove all that wait."""
        self._waiting.clear()
        self._waiting_of.clear()


def _decrease(counts: Counter[str], owner: str) -> None:
    """Count one less, and forget an owner without any."""
    counts[owner] -= 1
    if not counts[owner]:
        del counts[owner]
