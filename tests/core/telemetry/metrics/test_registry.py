"""The registry: every row is in it, and is named as Prometheus' users expect."""

from __future__ import annotations

import re

from penstock.telemetry.metrics import registry
from penstock.telemetry.metrics.registry import REGISTRY, Metric

PROMISED = {
    "penstock_requests_total": {"route", "status"},
    "penstock_responses_total": {"status", "reason"},
    "penstock_input_tokens_total": set(),
    "penstock_output_tokens_total": set(),
    "penstock_cached_tokens_total": set(),
    "penstock_reasoning_tokens_total": set(),
    "penstock_time_to_first_token_seconds": set(),
    "penstock_inter_token_seconds": set(),
    "penstock_response_duration_seconds": set(),
    "penstock_requests_running": set(),
    "penstock_requests_queued": set(),
    "penstock_streams_without_terminal_total": set(),
    "penstock_upstream_errors_total": {"blame"},
    "penstock_store_seconds": set(),
    "penstock_stream_lag_seconds": set(),
    "penstock_scrape_errors_total": set(),
}
"""The names that users build on, with labels that each has at least."""


def test_every_row_is_in_the_register_once() -> None:
    rows = [value for value in vars(registry).values() if isinstance(value, Metric)]
    assert set(rows) == set(REGISTRY)
    assert len({row.name for row in REGISTRY}) == len(REGISTRY)


def test_what_users_build_on_is_there() -> None:
    labels = {row.name: set(row.labels) for row in REGISTRY}
    assert all(wanted <= labels[name] for name, wanted in PROMISED.items())


def test_names_state_what_they_count() -> None:
    for row in REGISTRY:
        assert re.fullmatch("penstock_[a-z_]+", row.name)
        assert row.name.endswith("_total") is (row.kind == "counter")
        assert row.name.endswith("_seconds") is (row.unit == "seconds") is (row.kind == "histogram")
        assert bool(row.buckets) is (row.kind == "histogram")
        assert list(row.buckets) == sorted(set(row.buckets))
        assert row.help.endswith(".")
        assert row.help.isprintable()
