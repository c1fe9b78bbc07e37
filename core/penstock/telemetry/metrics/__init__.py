"""Metrics: counters, gauges and histograms of the server, for Prometheus and what reads its text format.

`register` has a row for each metric, `values` has the numbers, `recording` counts what has ended, and `text_format`
writes the text.
"""

from __future__ import annotations

from . import register
from .recording import Metrics
from .register import REGISTER, Metric
from .snapshot import Snapshot, take_snapshot
from .text_format import CONTENT_TYPE, to_text
from .zeros import add_zeros

__all__ = [
    "CONTENT_TYPE",
    "REGISTER",
    "Metric",
    "Metrics",
    "Snapshot",
    "add_zeros",
    "register",
    "take_snapshot",
    "to_text",
]
