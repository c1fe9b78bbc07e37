"""The values of metrics in one process: numbers and histograms by their labels.

They know labels and their bounds. Counting costs two lookups in dictionaries and an addition.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import msgspec

from .registry import OTHER, REGISTRY, Metric

Labels: TypeAlias = tuple[str, ...]
"""The values of the labels, in the order of the metric's row."""

SERIES_MAX = 2_000
"""The series of one metric. What has other labels is counted as `_other`."""
_NAME_CHARS_MAX = 200
"""A longer name is no label."""


class Number(msgspec.Struct):
    """One series of a counter or gauge."""

    value: float = 0


class Histogram(msgspec.Struct):
    """One series of a histogram. `counts` has one entry more than `bounds`, for what is over the last bound."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, once or several times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def observe_all(self, values: Iterable[float]) -> None:
        """Count many values, in one step for each bucket."""
        ordered = sorted(values)
        start = 0
        for index, bound in enumerate(self.bounds):
            end = bisect_right(ordered, bound, start)
            self.counts[index] += end - start
            start = end
        self.counts[-1] += len(ordered) - start
        self.total += sum(ordered)


T = TypeVar("T", Number, Histogram)


def empty_histogram(metric: Metric) -> Histogram:
    """A series of a histogram, before anything was observed."""
    return Histogram(metric.buckets, [0] * (len(metric.buckets) + 1))


class Values:
    """The values of every metric. A series exists, with zero, from the first call on that names it."""

    def __init__(self, rows: Sequence[Metric] = REGISTRY) -> None:
        self._numbers: dict[Metric, dict[Labels, Number]] = {row: {} for row in rows if not row.buckets}
        self._histograms: dict[Metric, dict[Labels, Histogram]] = {row: {} for row in rows if row.buckets}

    def number(self, metric: Metric, *labels: str) -> Number:
        """The series of a counter or gauge with these labels."""
        all_series = self._numbers[metric]
        return all_series.get(labels) or _added(all_series, labels, Number())

    def reset(self, metric: Metric) -> None:
        """Every series of a gauge is 0, until it gets another value."""
        for number in self._numbers[metric].values():
            number.value = 0

    def histogram(self, metric: Metric, *labels: str) -> Histogram:
        """The series of a histogram with these labels."""
        all_series = self._histograms[metric]
        found = all_series.get(labels)
        return found or _added(all_series, labels, empty_histogram(metric))

    def start(self, metric: Metric, *labels: str) -> None:
        """The series with these labels exists from now on."""
        self.histogram(metric, *labels) if metric.buckets else self.number(metric, *labels)

    def all(self) -> Iterator[tuple[Metric, Labels, Number | Histogram]]:
        """Every series."""
        for metric, numbers in self._numbers.items():
            yield from ((metric, labels, number) for labels, number in numbers.items())
        for metric, histograms in self._histograms.items():
            yield from ((metric, labels, histogram) for labels, histogram in histograms.items())


def _added(all_series: dict[Labels, T], labels: Labels, series: T) -> T:
    # spec: bounded-labels
    if len(all_series) >= SERIES_MAX:
        labels = (OTHER,) * len(labels)
    return all_series.setdefault(labels, series)


class Names:
    """The names that may be values of one label: known ones, and the first others, up to a maximum."""

    def __init__(self, names_max: int, known: Iterable[str] = ()) -> None:
        self._names_max = names_max
        self._names = set([*known][:names_max])

    def label(self, name: str, *, may_add: bool = True) -> str:
        """The name, or `_other`."""
        if name in self._names:
            return name
        # spec: bounded-labels
        if not may_add or not name or len(name) > _NAME_CHARS_MAX or len(self._names) >= self._names_max:
            return OTHER
        self._names.add(name)
        return name
