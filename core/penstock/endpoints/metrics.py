"""The route of metrics: `/metrics`, with the values of this worker and of its siblings.

It asks the siblings, and reads what is looked up and not counted: queues, breakers and connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from penstock.endpoints.request_context import RequestContext
from penstock.endpoints.sockets import Sockets
from penstock.engine import Engine, Routes
from penstock.errors import not_found
from penstock.http import Reply
from penstock.ports import Siblings
from penstock.telemetry.metrics import (
    CONTENT_TYPE,
    Metrics,
    Snapshot,
    add_initial_series,
    registry,
    take_snapshot,
    to_text,
)
from penstock.version import VERSION

if TYPE_CHECKING:
    from penstock.dialects.synthetic.batching import LoadFacts

PATH = "/metrics"
_MAKE_RESPONSES = ("/v1/responses", "/v1/chat/completions")
"""The paths that make responses and chat replies, by their names in metrics."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Snapshot).decode


def add_known_series(metrics: Metrics, routes: Routes, names: Iterable[str]) -> None:
    """Add the series that are known before the first request. `names` are the names of all paths."""
    add_initial_series(
        metrics.values,
        models=metrics.models,
        upstreams=[breaker.name for breaker in routes.breakers],
        routes=names,
        model_routes=_MAKE_RESPONSES,
        version=VERSION,
        has_load=any(route.load for route in routes.direct),
    )


class MetricsEndpoint:
    """`/metrics`. Without `metrics`, they are off."""

    def __init__(self, metrics: Metrics | None, engine: Engine, sockets: Sockets | None, siblings: Siblings) -> None:
        self._metrics = metrics
        self._engine = engine
        self._sockets = sockets
        self._siblings = siblings
        if metrics is not None:
            siblings.answer(PATH, lambda body: _encode(self._snapshot(metrics)))

    async def text(self, request: RequestContext) -> Reply:
        """`GET /metrics`: the values of all workers, in Prometheus' text format."""
        metrics = self._metrics
        if metrics is None:
            raise not_found("This server counts nothing: its setting 'metrics' is false.", "metrics_off")
        snapshots = await self._ask_siblings(metrics)
        snapshots.append(self._snapshot(metrics))
        snapshots.sort(key=lambda each: int(each.worker))
        text = to_text(snapshots, workers=not self._siblings.is_alone, vllm=metrics.has_vllm_names)
        return Reply(200, [("content-type", CONTENT_TYPE)], text)

    async def _ask_siblings(self, metrics: Metrics) -> list[Snapshot]:
        """The values of the siblings. One that does not answer in time is left out, and counted."""
        snapshots: list[Snapshot] = []
        for reply in await self._siblings.ask(PATH):
            try:
                snapshots.append(_decode(reply.body or b""))
            except msgspec.DecodeError:
                # spec: silent-siblings
                metrics.values.number(registry.SCRAPE_ERRORS).value += 1
        return snapshots

    def _snapshot(self, metrics: Metrics) -> Snapshot:
        """The values of this worker, with those that are looked up."""
        self._look_up_upstreams(metrics)
        self._look_up_requests(metrics)
        self._look_up_load(metrics)
        return take_snapshot(self._siblings.worker, metrics.values)

    def _look_up_upstreams(self, metrics: Metrics) -> None:
        number = metrics.values.number
        for breaker in self._engine.routes.breakers:
            number(registry.BREAKER_OPEN, breaker.name).value = int(breaker.state != "closed")
            number(registry.BREAKER_TRIPS, breaker.name).value = breaker.trips

    def _look_up_requests(self, metrics: Metrics) -> None:
        number = metrics.values.number
        metrics.values.reset(registry.RUNNING)
        for record in self._engine.recorder.running or ():
            number(registry.RUNNING, metrics.model(record.model)).value += 1
        background, sockets = self._engine.background, self._sockets
        waiting = (background.waiting if background else 0) + (sockets.waiting if sockets else 0)
        number(registry.QUEUED, metrics.only_model).value = waiting
        number(registry.LEASES_TAKEN_OVER).value = background.taken_over if background else 0
        number(registry.WEBSOCKETS).value = sockets.open if sockets else 0

    def _look_up_load(self, metrics: Metrics) -> None:
        """The load of the synthetic model. Requests that wait at it are not running."""
        for route in self._engine.routes.direct:
            if route.load is not None:
                add_load(metrics, metrics.model(route.named[0]), route.load())


def add_load(metrics: Metrics, model: str, load: LoadFacts) -> None:
    """Set the values of a model's load."""
    number = metrics.values.number
    number(registry.RUNNING, model).value -= load.waiting
    number(registry.QUEUED, model).value += load.waiting
    number(registry.KV_USAGE, model).value = load.kv_usage
    number(registry.PREEMPTIONS, model).value = load.preemptions_total
    number(registry.PREFIX_CACHE_QUERIES, model).value = load.cache_queries_total
    number(registry.PREFIX_CACHE_HITS, model).value = load.cache_hits_total
    lag_s = metrics.values.histogram(registry.STREAM_LAG)
    lag_s.counts, lag_s.total = load.lag_s.counts, load.lag_s.total
