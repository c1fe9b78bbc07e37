"""The routes of models: what the configuration names, and what upstreams tell of."""

from __future__ import annotations

import asyncio
import logging

from penstock.endpoints.request_context import Call
from penstock.engine import Route, Routes
from penstock.errors import ApiError, upstream_failed
from penstock.http import Reply, json_reply
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.secrets import Secret
from penstock.wire import Model, ModelList

_log = logging.getLogger("penstock.models")


class Models:
    """`/models` and everything under it."""

    def __init__(self, routes: Routes, limits: Limits) -> None:
        self._routes = routes
        self._wait_s = limits.models_wait_s

    async def list_all(self, call: Call) -> Reply:
        """`GET /models`."""
        # spec: models
        return json_reply(encode(ModelList(data=list((await self._all(call)).values()))))

    async def retrieve(self, call: Call) -> Reply:
        """`GET /models/{id}`; an id may have slashes."""
        name = call.ids[0]
        model = (await self._all(call)).get(name)
        if model is None:
            raise self._routes.unknown_model(name)
        return json_reply(encode(model))

    async def _all(self, call: Call) -> dict[str, Model]:
        """The models that the configuration names, and those that the upstreams of patterns tell of.

        An upstream that does not answer hides its own models only, unless it is the only one that could tell of any.
        """
        models = {name: Model(id=name, owned_by=route.name) for name, route in self._routes.named_models().items()}
        asked = [route for route in self._routes.all if route.has_patterns]
        told = await asyncio.gather(*(self._told(route, call.key) for route in asked), return_exceptions=True)
        for route, listed in zip(asked, told, strict=True):
            if isinstance(listed, BaseException):
                if not isinstance(listed, ApiError) or len(self._routes.all) == 1:
                    raise listed
                _log.warning("upstream %s does not list its models: %s", route.name, listed)
                continue
            for model in listed:
                if route.serves(model.id):
                    models.setdefault(model.id, model)
        return models

    async def _told(self, route: Route, key: Secret | None) -> list[Model]:
        """What an upstream serves. Raises `ApiError`."""
        try:
            async with asyncio.timeout(self._wait_s):
                return await route.upstream.models(key if route.takes_bearer else None)
        except TimeoutError:
            message = f"The upstream did not list its models within {self._wait_s:g} s."
            raise upstream_failed(message, status=504) from None
