"""Metrics: counters, gauges and histograms of the server, for Prometheus and what reads its text format.

`registry` has a row for each metric, `values` has the numbers, `recording` counts what has ended, and `text_format`
writes the text.
"""

from __future__ import annotations

from . import registry
from .initial_series import add_initial_series
from .recording import Metrics
from .registry import REGISTRY, Metric
from .snapshot import Snapshot, take_snapshot
from .text_format import CONTENT_TYPE, to_text

__all__ = [
    "CONTENT_TYPE",
    "REGISTRY",
    "Metric",
    "Metrics",
    "Snapshot",
    "add_initial_series",
    "registry",
    "take_snapshot",
    "to_text",
]
