"""The catalog: the models that the upstreams list, and whether the upstreams answer.

It asks each upstream at most once at a time, and caches the reports for a short time. It never decides where a request
goes. Upstreams are asked without a client's key: what one key may list is not for other clients.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from penstock.errors import ApiError
from penstock.ids import Clock
from penstock.limits import Limits
from penstock.ports import RequestRejected
from penstock.secrets import Secret
from penstock.telemetry import leave

from .routes import Route, Routes

_log = logging.getLogger("penstock.upstreams")

_NAMES_MAX = 1_000
"""The maximum number of models that are stored for an upstream."""
_NAME_CHARS_MAX = 200
"""The maximum length of a model's name; longer names are not stored."""
_MODEL_UNKNOWN = "model_not_found"
_LISTS_AGAIN = "lists its models again"


class UpstreamReport(msgspec.Struct, frozen=True):
    """The reply of an upstream to a request for its models."""

    route: Route
    models: Sequence[str] = ()
    problem: str = ""
    """Why it lists no models, for the operator of the server."""
    status: int | None = None
    """The status of its error reply."""
    is_unreachable: bool = False
    """Whether it gave no reply."""
    at_s: float = 0.0


class Catalog:
    """The models of the upstreams of these routes."""

    def __init__(self, routes: Routes, limits: Limits, clock_s: Clock) -> None:
        self._routes = routes
        self._limits = limits
        self._clock_s = clock_s
        self._reports: dict[str, UpstreamReport] = {}
        self._pending: dict[str, asyncio.Task[UpstreamReport]] = {}

    async def ask_all(self) -> list[UpstreamReport]:
        """The report of each upstream, at most `catalog_fresh_s` seconds old."""
        return list(await asyncio.gather(*map(self._fresh, self._routes.direct)))

    async def unreachable(self) -> list[str]:
        """The names of all upstreams if none of them is reachable; else an empty list."""
        reports = await self.ask_all()
        return [each.route.name for each in reports] if all(each.is_unreachable for each in reports) else []

    async def default_model(self, bearer: Secret | None) -> str | None:
        """The model of a request without one: the configured default, or the only model of the only upstream."""
        if self._routes.default_model or len(self._routes.direct) != 1:
            return self._routes.default_model
        [route] = self._routes.direct
        models = route.named
        if route.has_patterns:
            report = await self._fresh(route)
            if not report.models and bearer and route.takes_bearer:
                report = await self._ask(route, bearer)
            models = list(dict.fromkeys([*models, *report.models]))
        # spec: only-model
        return models[0] if len(models) == 1 else None

    async def explain(self, error: ApiError) -> ApiError:
        """An upstream's error; if the upstream does not know the model, the message lists the known models."""
        # spec: unknown-model
        if error.status == 404 and error.code == _MODEL_UNKNOWN:
            await self.ask_all()
            error.message = f"{error.message.rstrip('.')}. {self._routes.served()}".strip()
        return error

    async def _fresh(self, route: Route) -> UpstreamReport:
        """The cached report of an upstream, or a new one. It is requested once at a time."""
        report = self._reports.get(route.name)
        if report is not None and self._clock_s() - report.at_s < self._limits.catalog_fresh_s:
            return report
        pending = self._pending.get(route.name)
        if pending is None:
            pending = self._pending[route.name] = asyncio.ensure_future(self._refresh(route))
            pending.add_done_callback(lambda _: self._pending.pop(route.name, None))
        return await asyncio.shield(pending)

    async def _refresh(self, route: Route) -> UpstreamReport:
        """Ask without a client's key, cache the report, and log changes."""
        leave()
        previous = self._reports.get(route.name)
        report = self._reports[route.name] = await self._ask(route, None)
        # spec: models-at-start
        if report.problem != (previous.problem if previous else ""):
            level, text = (logging.WARNING, report.problem) if report.problem else (logging.INFO, _LISTS_AGAIN)
            _log.log(level, "upstream %s %s", route.name, text)
        if not report.problem:
            self._routes.remember(route.name, report.models)
        return report

    async def _ask(self, route: Route, bearer: Secret | None) -> UpstreamReport:
        try:
            async with asyncio.timeout(self._limits.catalog_wait_s):
                models = await route.upstream.models(bearer)
        except TimeoutError:
            problem = f"did not list its models within {self._limits.catalog_wait_s:g} s ({route.url})"
            return UpstreamReport(route, problem=problem, is_unreachable=True, at_s=self._clock_s())
        except ApiError as error:
            status = error.upstream_status if isinstance(error, RequestRejected) else None
            is_unreachable = isinstance(error, RequestRejected) and error.health == "sick"
            problem = _problem(route, error, status)
            return UpstreamReport(route, (), problem, status, is_unreachable, self._clock_s())
        names = [model.id for model in models if len(model.id) <= _NAME_CHARS_MAX and route.serves(model.id)]
        return UpstreamReport(route, models=names[:_NAMES_MAX], at_s=self._clock_s())


def _problem(route: Route, error: ApiError, status: int | None) -> str:
    """Why an upstream does not list its models, and what the operator can do."""
    if status == 404:
        return f"does not list its models (status 404): does the URL end in /v1? It is {route.url}"
    if status in (401, 403):
        how = "the key that is configured for it" if route.has_key else "requests without a key, and none is configured"
        return f"refuses {how} (status {status}): name the variable with its key by key_env or --upstream-key-env"
    return f"does not list its models: {error.message} ({route.url})"
