"""The routes of models: the models that the configuration names, and those that upstreams list."""

from __future__ import annotations

import asyncio
import logging

from penstock.endpoints.request_context import RequestContext
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

    async def list_all(self, request: RequestContext) -> Reply:
        """`GET /models`."""
        # spec: models
        return json_reply(encode(ModelList(data=list((await self._all(request)).values()))))

    async def retrieve(self, request: RequestContext) -> Reply:
        """`GET /models/{id}`. An id may contain slashes."""
        name = request.ids[0]
        model = (await self._all(request)).get(name)
        if model is None:
            raise self._routes.unknown_model(name)
        return json_reply(encode(model))

    async def _all(self, request: RequestContext) -> dict[str, Model]:
        """The models that the configuration names, and those that the upstreams with patterns list.

        Where an upstream does not answer, its models are missing. Where it is the only upstream, its error is raised.
        """
        models = {name: await _named(name, route) for name, route in self._routes.named_models().items()}
        asked = [route for route in self._routes.all if route.has_patterns]
        lists = await asyncio.gather(*(self._listed(route, request.key) for route in asked), return_exceptions=True)
        for route, listed in zip(asked, lists, strict=True):
            if isinstance(listed, BaseException):
                if not isinstance(listed, ApiError) or len(self._routes.all) == 1:
                    raise listed
                _log.warning("upstream %s does not list its models: %s", route.name, listed)
                continue
            for model in listed:
                if route.serves(model.id):
                    models.setdefault(model.id, model)
        return models

    async def _listed(self, route: Route, key: Secret | None) -> list[Model]:
        """The models that an upstream lists. Raises `ApiError`."""
        try:
            async with asyncio.timeout(self._wait_s):
                return await route.upstream.models(key if route.takes_bearer else None)
        except TimeoutError:
            message = f"The upstream did not list its models within {self._wait_s:g} s."
            raise upstream_failed(message, status=504) from None


async def _named(name: str, route: Route) -> Model:
    """A model that the configuration names. The built-in one has what load tools read of vLLM's models."""
    model = Model(id=name, owned_by=route.name)
    if route.context_tokens is not None:
        limit = await route.upstream.context_tokens(name, None)
        model.root, model.max_model_len = name, limit or route.context_tokens
    return model
