"""The catalog: which models the upstreams say that they serve, and whether they answer at all.

It asks them, each by itself and once, and remembers for a short time what they said. It never decides where a request
goes. An upstream is asked without the client's key: what one key may see is not for others.
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
"""So many models of an upstream are remembered."""
_NAME_CHARS_MAX = 200
"""A longer name is not remembered."""
_MODEL_UNKNOWN = "model_not_found"


class UpstreamReport(msgspec.Struct, frozen=True):
    """What an upstream said when it was asked for its models."""

    route: Route
    models: Sequence[str] = ()
    problem: str = ""
    """Why it named none, for whoever runs the server."""
    status: int | None = None
    """The status with which it refused."""
    is_dead: bool = False
    """Whether it gave no answer at all."""
    at_s: float = 0.0


class Catalog:
    """What the upstreams of these routes serve."""

    def __init__(self, routes: Routes, limits: Limits, clock_s: Clock) -> None:
        self._routes = routes
        self._limits = limits
        self._clock_s = clock_s
        self._said: dict[str, UpstreamReport] = {}
        self._asking: dict[str, asyncio.Task[UpstreamReport]] = {}

    async def ask_all(self) -> list[UpstreamReport]:
        """What each upstream says, asked now if it was not asked just before."""
        return list(await asyncio.gather(*map(self._fresh, self._routes.direct)))

    async def dead(self) -> list[str]:
        """The names of all upstreams if none of them answers, else nothing."""
        said = await self.ask_all()
        return [one.route.name for one in said] if all(one.is_dead for one in said) else []

    async def default_model(self, bearer: Secret | None) -> str | None:
        """The model of a request that names none: the one that is set, or the only one of the only upstream."""
        if self._routes.default_model or len(self._routes.direct) != 1:
            return self._routes.default_model
        [route] = self._routes.direct
        models = route.named
        if route.has_patterns:
            said = await self._fresh(route)
            if not said.models and bearer and route.takes_bearer:
                said = await self._ask(route, bearer)
            models = list(dict.fromkeys([*models, *said.models]))
        return models[0] if len(models) == 1 else None

    async def explain(self, error: ApiError) -> ApiError:
        """The error of an upstream; where it does not know the model, with those that there are."""
        if error.status == 404 and error.code == _MODEL_UNKNOWN:
            await self.ask_all()
            error.message = f"{error.message.rstrip('.')}. {self._routes.served()}".strip()
        return error

    async def _fresh(self, route: Route) -> UpstreamReport:
        """What an upstream said a moment ago, or says now. It is asked by one at a time."""
        said = self._said.get(route.name)
        if said is not None and self._clock_s() - said.at_s < self._limits.catalog_fresh_s:
            return said
        asking = self._asking.get(route.name)
        if asking is None:
            asking = self._asking[route.name] = asyncio.ensure_future(self._refresh(route))
            asking.add_done_callback(lambda _: self._asking.pop(route.name, None))
        return await asyncio.shield(asking)

    async def _refresh(self, route: Route) -> UpstreamReport:
        """Ask without a key of a client, remember, and log what is new."""
        leave()
        known = self._said.get(route.name)
        said = self._said[route.name] = await self._ask(route, None)
        if said.problem != (known.problem if known else ""):
            level, news = (logging.WARNING, said.problem) if said.problem else (logging.INFO, "lists its models again")
            _log.log(level, "upstream %s %s", route.name, news)
        if not said.problem:
            self._routes.remember(route.name, said.models)
        return said

    async def _ask(self, route: Route, bearer: Secret | None) -> UpstreamReport:
        try:
            async with asyncio.timeout(self._limits.catalog_wait_s):
                models = await route.upstream.models(bearer)
        except TimeoutError:
            problem = f"did not list its models within {self._limits.catalog_wait_s:g} s ({route.url})"
            return UpstreamReport(route, problem=problem, is_dead=True, at_s=self._clock_s())
        except ApiError as error:
            status = error.upstream_status if isinstance(error, RequestRejected) else None
            is_dead = isinstance(error, RequestRejected) and error.health == "sick"
            problem = _problem(route, error, status)
            return UpstreamReport(route, problem=problem, status=status, is_dead=is_dead, at_s=self._clock_s())
        names = [one.id for one in models if len(one.id) <= _NAME_CHARS_MAX and route.serves(one.id)]
        return UpstreamReport(route, models=names[:_NAMES_MAX], at_s=self._clock_s())


def _problem(route: Route, error: ApiError, status: int | None) -> str:
    """What is wrong with an upstream that does not list its models, and how to mend it."""
    if status == 404:
        return f"does not list its models (status 404): does the URL end in /v1? It is {route.url}"
    if status in (401, 403):
        how = "the key that is configured for it" if route.has_key else "requests without a key, and none is configured"
        return f"refuses {how} (status {status}): name the variable with its key by key_env or --upstream-key-env"
    return f"does not list its models: {error.message} ({route.url})"
