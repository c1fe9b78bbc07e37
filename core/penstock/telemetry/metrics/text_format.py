"""Prometheus' text format, version 0.0.4: the metrics of one worker, or of several, as text.

It knows the format only. What the metrics mean is in the registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, chain

from .registry import REGISTRY, Metric
from .snapshot import Sample, Snapshot
from .vllm_names import vllm_row, vllm_samples

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def to_text(snapshots: Sequence[Snapshot], *, workers: bool = False, vllm: bool = False) -> bytes:
    """The text. With `workers`, each series has its worker's label. With `vllm`, it has vLLM's names too."""
    lines: list[str] = []
    for metric in REGISTRY:
        samples = [(_worker(each, workers), each.samples.get(metric.name, [])) for each in snapshots]
        if metric.is_synthetic and not any(listed for _, listed in samples):
            continue  # it would stay without a series for ever
        lines += _family(metric, samples)
        if vllm and metric.vllm:
            renamed = [(worker, vllm_samples(metric, listed)) for worker, listed in samples]
            lines += _family(vllm_row(metric), renamed)
    return "\n".join([*lines, ""]).encode(errors="replace")


def _worker(snapshot: Snapshot, workers: bool) -> list[str]:
    return [_pair("worker", snapshot.worker)] if workers else []


def _family(metric: Metric, samples: Sequence[tuple[list[str], Sequence[Sample]]]) -> Iterator[str]:
    """The lines of one metric: its help, its kind, and its series."""
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    lines = _histogram if metric.buckets else _number
    for worker, listed in samples:
        yield from chain.from_iterable(lines(metric, worker, sample) for sample in listed)


def _number(metric: Metric, worker: list[str], sample: Sample) -> Iterator[str]:
    yield f"{metric.name}{_labels(metric, worker, sample)} {_value(sample.value)}"


def _histogram(metric: Metric, worker: list[str], sample: Sample) -> Iterator[str]:
    """The buckets, each with all that is in smaller ones, then the sum and the count."""
    bounds = [*map(_value, metric.buckets), "+Inf"]
    for bound, count in zip(bounds, accumulate(sample.counts), strict=True):
        yield f"{metric.name}_bucket{_labels(metric, worker, sample, _pair('le', bound))} {count}"
    labels = _labels(metric, worker, sample)
    yield f"{metric.name}_sum{labels} {_value(sample.value)}"
    yield f"{metric.name}_count{labels} {sum(sample.counts)}"


def _labels(metric: Metric, worker: list[str], sample: Sample, *more: str) -> str:
    pairs = [*map(_pair, metric.labels, sample.labels), *worker, *more]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _pair(name: str, value: str) -> str:
    return f'{name}="{value.translate(_ESCAPES)}"'


def _value(value: float) -> str:
    """A whole number without a decimal point, any other one with all its digits."""
    return str(int(value)) if value == int(value) else repr(value)
