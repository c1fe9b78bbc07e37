"""Values: what is counted one by one and together is the same, and no label makes them grow without end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry.metrics.registry import FIRST_TOKEN, OTHER, REQUESTS
from penstock.telemetry.metrics.values import SERIES_MAX, Histogram, Names, Values
from requirements import shows

BOUNDS = (0.1, 1.0, 10.0)


def histogram() -> Histogram:
    return Histogram(BOUNDS, [0] * 4)


@given(st.lists(st.sampled_from((0.0, 0.1, 0.5, 1.0, 1.0000001, 10.0, 99.0))))
def test_values_together_are_values_one_by_one(values: list[float]) -> None:
    together, singly = histogram(), histogram()
    together.observe_all(values)
    for value in values:
        singly.observe(value)
    assert together.counts == singly.counts
    assert together.total == pytest.approx(singly.total)


def test_a_bound_is_in_its_bucket() -> None:
    counted = histogram()
    for value in (0.1, 0.11, 10.0, 11.0):
        counted.observe(value)
    counted.observe(0.0, times=3)
    assert (counted.counts, counted.total) == ([4, 1, 1, 1], pytest.approx(21.21))


@shows("bounded-labels")
def test_series_are_bounded() -> None:
    values = Values()
    for number in range(SERIES_MAX + 10):
        values.number(REQUESTS, "/", str(number)).value += 1
        values.histogram(FIRST_TOKEN, str(number)).observe(1)
    assert len(list(values.all())) == 2 * (SERIES_MAX + 1)
    assert values.number(REQUESTS, OTHER, OTHER).value == 10
    assert sum(values.histogram(FIRST_TOKEN, OTHER).counts) == 10


@shows("bounded-labels")
def test_names_are_bounded() -> None:
    names = Names(3, ["first", "second"])
    assert names.label("third", may_add=False) == OTHER
    assert [names.label(name) for name in ("first", "third", "fourth", "third", "", "x" * 201)] == [
        *("first", "third", OTHER, "third", OTHER, OTHER)
    ]
