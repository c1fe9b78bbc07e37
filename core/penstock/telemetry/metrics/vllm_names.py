"""The names of vLLM: what dashboards, autoscalers and gateways read of an engine, for the same values.

It knows vLLM's labels: `model_name`, and `finished_reason` for the ends of responses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace

from .registry import MODEL, RESPONSES, Metric
from .snapshot import Sample

_FINISHED = {"completed": "stop", "incomplete": "length", "failed": "error", "cancelled": "abort"}
"""The `finished_reason` of each terminal status."""


def vllm_row(metric: Metric) -> Metric:
    """The row with vLLM's name and labels."""
    labels = ("model_name", "finished_reason") if metric is RESPONSES else tuple(map(_label, metric.labels))
    return replace(metric, name=metric.vllm, labels=labels)


def vllm_samples(metric: Metric, samples: Sequence[Sample]) -> Sequence[Sample]:
    """The series with vLLM's labels. `metric` is the row with our name."""
    if metric is not RESPONSES:
        return samples
    finished: defaultdict[tuple[str, str], float] = defaultdict(float)
    for sample in samples:
        model, status, _ = sample.labels
        finished[model, _FINISHED[status]] += sample.value
    return [Sample(labels, count) for labels, count in finished.items()]


def _label(name: str) -> str:
    return "model_name" if name == MODEL else name
