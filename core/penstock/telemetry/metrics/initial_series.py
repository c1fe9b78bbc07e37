"""The series that exist, with zero, from the start: a rate needs a first value, and an alert needs a series.

It knows which values of labels are known before the first request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from .registry import BUILD, OTHER, REGISTRY, REQUESTS, RESPONSES
from .values import Values

_ENDS = (
    ("completed", ""),
    ("incomplete", "max_output_tokens"),
    ("incomplete", "content_filter"),
    ("failed", "server_error"),
    ("failed", "rate_limit_exceeded"),
    ("cancelled", ""),
)
"""How responses end, and why."""
_STATUSES = ("200", "400", "401", "404", "429", "499", "500", "502", "503", "504")
"""The statuses of requests."""
_KNOWN: Mapping[str, Sequence[str]] = {
    "blame": ("client", "upstream", "server"),
    "operation": ("read", "write"),
}


def add_initial_series(
    values: Values,
    *,
    models: Sequence[str],
    upstreams: Sequence[str],
    routes: Iterable[str],
    model_routes: Iterable[str],
    version: str,
    has_load: bool,
) -> None:
    """Make the series of these names. `model_routes` are the routes that make responses or chat replies.

    `has_load` is whether one of the models is the synthetic model, whose load is known.
    """
    models = models or (OTHER,)
    known = {**_KNOWN, "model": models, "upstream": upstreams}
    values.number(BUILD, version).value = 1
    for metric in REGISTRY:
        if metric.is_synthetic and not has_load:
            continue
        for labels in product(*(known.get(label, ()) for label in metric.labels)):
            values.start(metric, *labels)
    for model, (status, reason) in product(models, _ENDS):
        values.start(RESPONSES, model, status, reason)
    for route in routes:
        values.start(REQUESTS, route, "200")
    for route, code in product(model_routes, _STATUSES):
        values.start(REQUESTS, route, code)
