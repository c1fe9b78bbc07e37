"""The figures of one load run: what is counted while it runs, and what it comes to.

It knows seconds, milliseconds and counts; it opens no socket and reads no clock.
"""

import math
from dataclasses import dataclass, field

import msgspec


class Percentiles(msgspec.Struct):
    """Latencies in milliseconds, by nearest rank."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class LoadResult(msgspec.Struct):
    """What one run saw. Rates count good replies only."""

    replies: int
    failures: int
    first_failure: str | None
    elapsed_s: float
    client_cpu_s: float
    bytes_per_reply: float
    events_per_reply: float
    latency: Percentiles | None
    first_event: Percentiles | None
    first_delta: Percentiles | None

    @property
    def replies_per_s(self) -> float:
        """Good replies per second of the whole run, its last replies included."""
        return self.replies / self.elapsed_s if self.elapsed_s else 0.0


@dataclass(slots=True)
class Tally:
    """Sums of a run; times in seconds."""

    latencies_s: list[float] = field(default_factory=list)
    first_events_s: list[float] = field(default_factory=list)
    first_deltas_s: list[float] = field(default_factory=list)
    body_bytes: int = 0
    events: int = 0
    failures: int = 0
    first_failure: str | None = None

    def fail(self, reason: str, count: int = 1) -> None:
        """Count a bad reply and keep the first reason."""
        self.failures += count
        self.first_failure = self.first_failure or reason


def result_of(tally: Tally, elapsed_s: float, cpu_s: float) -> LoadResult:
    """Return the figures of a finished run."""
    replies = len(tally.latencies_s)
    return LoadResult(
        replies=replies,
        failures=tally.failures,
        first_failure=tally.first_failure,
        elapsed_s=elapsed_s,
        client_cpu_s=cpu_s,
        bytes_per_reply=tally.body_bytes / max(1, replies),
        events_per_reply=tally.events / max(1, replies),
        latency=percentiles(tally.latencies_s),
        first_event=percentiles(tally.first_events_s),
        first_delta=percentiles(tally.first_deltas_s),
    )


def percentiles(times_s: list[float]) -> Percentiles | None:
    """Return the percentiles of `times_s` in milliseconds; None when there are none."""
    if not times_s:
        return None
    ordered = sorted(times_s)
    ranks = (max(0, math.ceil(share * len(ordered)) - 1) for share in (0.5, 0.9, 0.99, 1.0))
    return Percentiles(*(ordered[rank] * 1000 for rank in ranks))
