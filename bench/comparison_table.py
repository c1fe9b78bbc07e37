"""The comparison of servers as one table: which figure comes from which question, and why one is absent.

It knows the data of questions that were played, and starts and measures nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.machine import public
from bench.result_data import Row, Section
from bench.rounds import Contender, known

ITSELF = "upstream-itself"
"""The server whose latency is taken off: the upstream, without a server between."""
COSTS = {
    "json": {"cpu_us_per_request": "cpu_us_per_json_reply"},
    "lone-chunk": {"cpu_us_per_chunk": "cpu_us_per_lone_chunk"},
    "stream-batched": {"cpu_us_per_chunk": "cpu_us_per_batched_chunk"},
}
"""By question: the figures that are taken from it, and what the comparison calls them."""
LATENCIES = {
    "one-json": {"p50_ms": "added_p50_ms_c1", "p99_ms": "added_p99_ms_c1"},
    "json-32": {"p50_ms": "added_p50_ms_c32", "p99_ms": "added_p99_ms_c32"},
    "one-stream": {"first_delta_p99_ms": "added_ttft_p99_ms_c1"},
    "stream-32": {"first_delta_p99_ms": "added_ttft_p99_ms_c32"},
}
"""The same, of which that of the upstream without a server between is taken off."""


@dataclass(slots=True)
class Started:
    """A contender that was started one or more times."""

    contender: Contender
    starts_s: list[float] = field(default_factory=list)
    idle_mb: float = float("nan")

    @property
    def name(self) -> str:
        """The server's name."""
        return self.contender.server.name


def summary(sections: Sequence[Section], running: Sequence[Started], baseline: str) -> Section:
    """Return one row a server, with all that was found out, and why the rest is absent."""
    # spec: bench-compare
    by_name = {section.name: section for section in sections}
    rows = [_summary_row(one, by_name) for one in running if one.name != ITSELF]
    return Section("compare", "all that was measured, one row a server", baseline, rows)


def _summary_row(one: Started, sections: Mapping[str, Section]) -> Row:
    child = one.contender.child
    if child is None:
        return Row(one.name, fault=public(one.contender.fault or "not started"))
    found = {"start_s": one.starts_s, "idle_rss_mb": [one.idle_mb], "peak_rss_mb": [child.peak_rss_mb()]}
    for name, section in sections.items():
        row, itself = section.row(one.name), section.row(ITSELF)
        if row and name in COSTS:
            found |= {called: row.figures.get(key, []) for key, called in COSTS[name].items()}
        if row and itself and name in LATENCIES:
            found |= {called: _added(row, itself, key) for key, called in LATENCIES[name].items()}
    figures = {key: values for key, values in known(found).items() if values}
    return Row(one.name, figures, absent=list(_absent(one, sections)))


def _added(row: Row, itself: Row, key: str) -> list[float]:
    pairs = zip(row.figures.get(key, []), itself.figures.get(key, []), strict=False)  # one that failed has fewer
    return [one - other for one, other in pairs]


def _absent(one: Started, sections: Mapping[str, Section]) -> Iterator[str]:
    if one.contender.server.running_at is not None:
        yield "no CPU, memory and start: it ran already, and its process is not known"
    for section in sections.values():
        if (row := section.row(one.name)) and row.fault:
            yield f"no figures of {section.name}: {row.fault}"
