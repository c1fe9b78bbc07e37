"""Requests are counted by the name of their model, for a bounded number of names."""

from __future__ import annotations

from penstock.engine.upstreams.synthetic.request_counts import RequestCounts


def test_requests_are_numbered_by_name() -> None:
    counts = RequestCounts()
    assert [counts.number(name) for name in ("a", "b", "a", "a")] == [0, 0, 1, 2]
    counts.reset()
    assert counts.number("a") == 0


def test_the_name_that_was_used_the_longest_time_ago_is_forgotten() -> None:
    counts = RequestCounts()
    for index in range(1_000):
        counts.number(f"name {index}")
    counts.number("name 0")
    counts.number("another")
    assert (counts.number("name 0"), counts.number("name 1")) == (2, 0)
