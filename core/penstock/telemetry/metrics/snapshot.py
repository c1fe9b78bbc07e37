"""The snapshot of a worker's metrics: what one worker sends to another, and what `/metrics` is made of."""

from __future__ import annotations

import msgspec

from .values import Histogram, Labels, Number, Values


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One series. Of a histogram, `value` is the sum of all observed values, and `counts` has one entry a bucket."""

    labels: Labels
    value: float
    counts: list[int] = []


class Snapshot(msgspec.Struct, frozen=True):
    """Every series of one worker, by the name of its metric."""

    worker: str
    samples: dict[str, list[Sample]]


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Snapshot).decode


def take_snapshot(worker: str, values: Values) -> Snapshot:
    """The values of now."""
    samples: dict[str, list[Sample]] = {}
    for metric, labels, series in values.all():
        samples.setdefault(metric.name, []).append(_sample(labels, series))
    return Snapshot(worker, samples)


def _sample(labels: Labels, series: Number | Histogram) -> Sample:
    if isinstance(series, Histogram):
        return Sample(labels, series.total, series.counts)
    return Sample(labels, series.value)
