"""Routes: which upstreams serve a model. Upstreams that name it come first; else those with a pattern that matches.

It knows names, patterns and the order of the configuration; it never asks an upstream for its models. The pool that it
makes decides which of several upstreams gets a request, and what happens when one fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from random import Random, SystemRandom
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from penstock.errors import ApiError, invalid, not_found
from penstock.ids import Clock
from penstock.limits import Limits
from penstock.ports import Turn, Upstream

from .breaker import Breaker
from .pool import Member, Pool

if TYPE_CHECKING:  # a server without the synthetic model imports nothing of it
    from penstock.dialects.synthetic.batching import LoadFacts
    from penstock.dialects.synthetic.wire_faults import WireFaults

_LIMITS = Limits()
_CACHED_ROUTES_MAX = 1_000
"""The routes of so many models are cached; clients may send any number of names."""
_NAMES_LISTED_MAX = 10
"""The maximum number of models in the error for a model that is not served."""
_NAME_CHARS_MAX = 200
"""Longer names are not cached, and are shortened in messages."""


class Route(msgspec.Struct, kw_only=True, frozen=True):
    """One upstream and the models that it serves. `aliases` maps a client's name to the upstream's."""

    name: str
    upstream: Upstream
    url: str = ""
    """Its address, for the operator; clients do not receive it."""
    has_key: bool = False
    """Whether a key is configured for it."""
    models: Sequence[str] = ("*",)
    aliases: dict[str, str] = {}
    takes_bearer: bool = False
    """Whether the client's own key is passed on, since none is configured."""
    relays: bool = False
    """Whether the upstream serves the Responses API: tools, items and events are passed on unchanged."""
    stores_state: bool = False
    """Whether the upstream stores responses and conversations, in place of this server."""
    is_local: bool = False
    """Whether it is a model of this process, whose reads bring one token each unless they are late."""
    priority: int | None = None
    """A lower priority is tried first, equal ones share; routes without one are tried last, in their order."""
    weight: float = 1.0
    """The share among routes of the same priority."""
    extras: frozenset[str] = frozenset()
    """The parameters that its upstream reads, of those that OpenAI's API does not have."""
    context_tokens: int | None = None
    """The size of the context that the list of models has. None where it is not known."""
    wire_faults: Callable[[Turn], WireFaults | None] | None = None
    """Decides on the faults of a stream or a body, once for each. None where there are never any."""
    load: Callable[[], LoadFacts] | None = None
    """The load of a model of this process. None where no one knows it."""
    check_options: Callable[[str], None] | None = None
    """Checks a name with options, such as `synthetic?tokens=9`. None where no name has any. Raises `ApiError`."""

    @property
    def has_patterns(self) -> bool:
        """Whether some of its models are known only to the upstream."""
        return any(_is_pattern(name) for name in self.models)

    @property
    def named(self) -> list[str]:
        """The models that it serves by name."""
        return [name for name in self.models if not _is_pattern(name)]

    def matches(self, model: str) -> bool:
        """Whether one of its patterns matches the model."""
        return any(fnmatchcase(model, name) for name in self.models if _is_pattern(name))

    def serves(self, model: str) -> bool:
        """Whether one of its names or patterns matches the model."""
        return model in self.aliases or model in self.models or self.matches(model)


class Routes:
    """All routes; `choose` finds the route of a model. `clock_s` and `random` are for tests."""

    def __init__(
        self,
        routes: Sequence[Route],
        default_model: str | None = None,
        *,
        limits: Limits = _LIMITS,
        clock_s: Clock = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self._limits = limits
        self._random = random or SystemRandom()  # it has no state, which copies of this process would share
        self.default_model = default_model
        self._configured = [
            _Configured(route, Breaker(route.name, limits, clock_s), index) for index, route in enumerate(routes)
        ]
        self.direct = tuple(routes)
        """Each route with its own upstream, without retries and breaker."""
        self._listed: dict[str, Sequence[str]] = {}
        """The models that the upstreams list, by the route's name."""
        self.all = tuple(self._pooled("", [each]) for each in self._configured)
        """Each route by itself, with retries and breaker."""
        self._route_of = lru_cache(_CACHED_ROUTES_MAX)(self._find_route)
        self._exact: dict[str, list[_Configured]] = {}
        for each in self._configured:
            for name in dict.fromkeys([*each.route.models, *each.route.aliases]):
                if not _is_pattern(name):
                    self._exact.setdefault(name, []).append(each)

    def choose(self, model: str | None) -> tuple[str, Route]:
        """The model's public name and its route, whose upstream is a pool of all that serve it.

        Raises `ApiError`: 400 without a model, 404 for an unknown one.
        """
        name = self.default_model if model is None else model
        if name == "":
            raise invalid("The model '' does not exist.", "model", "model_not_found")
        if name is None:
            raise invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
        # spec: bounded-caches
        find = self._route_of if len(name) <= _NAME_CHARS_MAX else self._find_route
        return name, find(name)

    def _find_route(self, name: str) -> Route:
        serving = self._exact.get(name) or [each for each in self._configured if each.route.matches(name)]
        serving = serving or self._with_options(name)
        if not serving:
            raise self.unknown_model(name)
        return self._pooled(name, serving)

    def _with_options(self, name: str) -> list[_Configured]:
        """The routes of a name with options after a `?`. Raises `ApiError` 400 for wrong options."""
        model, mark, _ = name.partition("?")
        serving = [each for each in self._exact.get(model, ()) if mark and each.route.check_options]
        for each in serving:
            assert each.route.check_options is not None
            each.route.check_options(name)
        return serving

    def remember(self, route_name: str, models: Sequence[str]) -> None:
        """Store the models that the upstream of this route lists."""
        self._listed[route_name] = models

    def served(self) -> str:
        """A sentence with the first served models that are known."""
        listed = [name for models in self._listed.values() for name in models]
        return _served(list(dict.fromkeys([*self._exact, *listed])))

    def unknown_model(self, name: str) -> ApiError:
        """The error for a model that is not served here: 404."""
        # spec: unknown-model
        message = f"The model '{name[:_NAME_CHARS_MAX]}' does not exist or is not served here. {self.served()}"
        return not_found(message, "model_not_found", "model")

    @property
    def breakers(self) -> list[Breaker]:
        """The breaker of each upstream."""
        return [each.breaker for each in self._configured]

    @property
    def stateful_route(self) -> Route | None:
        """The route whose upstream stores responses and conversations, if there is one."""
        return next((route for route in self.all if route.stores_state), None)

    def named_models(self) -> dict[str, Route]:
        """The models that the configuration names, each with the first of its routes."""
        return {name: serving[0].route for name, serving in self._exact.items()}

    def _pooled(self, model: str, serving: list[_Configured]) -> Route:
        """The first of these routes, with a pool of the upstreams of all routes that have the same `relays`.

        A request for an upstream that serves the Responses API is not the same as one for a chat model.
        """
        if len(serving) > 1:
            serving = sorted(serving, key=_Configured.rank)
            serving = [each for each in serving if each.route.relays == serving[0].route.relays]
        pool = Pool([each.member(model) for each in serving], self._limits, self._random)
        takes_bearer = any(each.route.takes_bearer for each in serving)
        return replace(serving[0].route, upstream=pool, takes_bearer=takes_bearer)


class _Configured(msgspec.Struct, frozen=True):
    """A route with the breaker of its upstream, which all pools share."""

    route: Route
    breaker: Breaker
    index: int

    def rank(self) -> tuple[int, int]:
        """The sort key: routes with the lowest rank are tried first."""
        priority = self.route.priority
        return (1, self.index) if priority is None else (0, priority)

    def member(self, model: str) -> Member:
        """The member of a pool for this model."""
        route = self.route
        return Member(
            upstream=route.upstream,
            breaker=self.breaker,
            # spec: aliases
            model=route.aliases.get(model, model),
            takes_bearer=route.takes_bearer,
            rank=self.rank(),
            weight=route.weight,
        )


def _served(names: Sequence[str]) -> str:
    if not names:
        return "GET /v1/models lists what is served."
    listed = ", ".join(name[:_NAME_CHARS_MAX] for name in names[:_NAMES_LISTED_MAX])
    more = f" and {len(names) - _NAMES_LISTED_MAX} more" if len(names) > _NAMES_LISTED_MAX else ""
    return f"Served here: {listed}{more}. GET /v1/models lists all."


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")
