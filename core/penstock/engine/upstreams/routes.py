"""Which upstreams serve a model: those that name it; where none does, those whose patterns fit.

It knows names, patterns and the order of the configuration; it never asks an upstream what it has. Which of several is
asked, and what happens when it fails, the pool decides that it makes of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from random import Random

import msgspec
from msgspec.structs import replace

from penstock.errors import ApiError, invalid, not_found
from penstock.ids import Clock
from penstock.limits import Limits
from penstock.ports import Upstream

from .breaker import Breaker
from .pool import Member, Pool

_LIMITS = Limits()
_NAMES_KEPT_MAX = 1_000
"""For so many models the route is found once; clients may make up as many names as they like."""
_NAMES_SHOWN_MAX = 10
"""So many models are told to who asks for one that is not served."""
_NAME_CHARS_KEPT_MAX = 200
"""A longer name is nobody's, and is not kept."""


class Route(msgspec.Struct, kw_only=True, frozen=True):
    """One upstream and the models that it serves. `aliases` maps a client's name to the upstream's."""

    name: str
    upstream: Upstream
    url: str = ""
    """Where it is, for whoever runs the server; no client is told."""
    has_key: bool = False
    """Whether a key of ours is configured for it."""
    models: Sequence[str] = ("*",)
    aliases: dict[str, str] = {}
    takes_bearer: bool = False
    """Whether the client's own key is passed on, since none is configured."""
    relays: bool = False
    """Whether the upstream speaks Responses: tools and items go there as they are, and events come back so."""
    keeps_state: bool = False
    """Whether responses and conversations are the upstream's to keep."""
    priority: int | None = None
    """Lower ones are asked first, and equal ones share; without one, routes are asked last and in their order."""
    weight: float = 1.0
    """The share among routes of the same priority."""

    @property
    def has_patterns(self) -> bool:
        """Whether it serves models that only the upstream can name."""
        return any(_is_pattern(name) for name in self.models)

    @property
    def named(self) -> list[str]:
        """The models that it serves by their names."""
        return [name for name in self.models if not _is_pattern(name)]

    def fits(self, model: str) -> bool:
        """Whether one of its patterns fits the model."""
        return any(fnmatchcase(model, name) for name in self.models if _is_pattern(name))

    def serves(self, model: str) -> bool:
        """Whether one of its names or patterns fits the model."""
        return model in self.aliases or model in self.models or self.fits(model)


class Routes:
    """Every route; asking it for a model is the only choice that is made. `clock_s` and `chance` are for tests."""

    def __init__(
        self,
        routes: Sequence[Route],
        default_model: str | None = None,
        *,
        limits: Limits = _LIMITS,
        clock_s: Clock = time.monotonic,
        chance: Random | None = None,
    ) -> None:
        self._limits = limits
        self._chance = chance or Random()
        self.default_model = default_model
        self._configured = [
            _Configured(route, Breaker(route.name, limits, clock_s), index) for index, route in enumerate(routes)
        ]
        self.direct = tuple(routes)
        """Each route by itself, its upstream asked once, whatever is known of it."""
        self._listed: dict[str, Sequence[str]] = {}
        """What the upstreams have listed, by the route's name."""
        self.all = tuple(self._pooled("", [each]) for each in self._configured)
        """Each route by itself, its upstream asked as persistently as any."""
        self._route_of = lru_cache(_NAMES_KEPT_MAX)(self._find_route)
        self._exact: dict[str, list[_Configured]] = {}
        for each in self._configured:
            for name in dict.fromkeys([*each.route.models, *each.route.aliases]):
                if not _is_pattern(name):
                    self._exact.setdefault(name, []).append(each)

    def choose(self, model: str | None) -> tuple[str, Route]:
        """The model's public name and its route, whose upstream stands for all that serve it.

        Raises `ApiError`: 400 for no model at all, 404 for an unknown one.
        """
        name = self.default_model if model is None else model
        if name == "":
            raise invalid("The model '' does not exist.", "model", "model_not_found")
        if name is None:
            raise invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
        find = self._route_of if len(name) <= _NAME_CHARS_KEPT_MAX else self._find_route
        return name, find(name)

    def _find_route(self, name: str) -> Route:
        serving = self._exact.get(name) or [each for each in self._configured if each.route.fits(name)]
        if not serving:
            raise self.unknown_model(name)
        return self._pooled(name, serving)

    def remember(self, route_name: str, models: Sequence[str]) -> None:
        """The upstream of this route lists these models."""
        self._listed[route_name] = models

    def served(self) -> str:
        """A sentence with the first models that are served, as far as they are known."""
        listed = [name for models in self._listed.values() for name in models]
        return _served(list(dict.fromkeys([*self._exact, *listed])))

    def unknown_model(self, name: str) -> ApiError:
        """The error that tells of a model which is not served here."""
        message = f"The model '{name[:_NAME_CHARS_KEPT_MAX]}' does not exist or is not served here. {self.served()}"
        return not_found(message, "model_not_found", "model")

    @property
    def keeper(self) -> Route | None:
        """The route whose upstream keeps the state, if one does."""
        return next((route for route in self.all if route.keeps_state), None)

    def named_models(self) -> dict[str, Route]:
        """The models that the configuration names one by one, with the first of their routes."""
        return {name: serving[0].route for name, serving in self._exact.items()}

    def _pooled(self, model: str, serving: list[_Configured]) -> Route:
        """The first of these routes, with the upstreams of all behind it that speak as it does.

        What is relayed to an upstream that speaks Responses is not what a chat model is asked.
        """
        if len(serving) > 1:
            serving = sorted(serving, key=_Configured.rank)
            serving = [each for each in serving if each.route.relays == serving[0].route.relays]
        pool = Pool([each.member(model) for each in serving], self._limits, self._chance)
        takes_bearer = any(each.route.takes_bearer for each in serving)
        return replace(serving[0].route, upstream=pool, takes_bearer=takes_bearer)


class _Configured(msgspec.Struct, frozen=True):
    """A route, and what is known of its upstream. All pools that it is in know it together."""

    route: Route
    breaker: Breaker
    index: int

    def rank(self) -> tuple[int, int]:
        """Who is asked before whom."""
        priority = self.route.priority
        return (1, self.index) if priority is None else (0, priority)

    def member(self, model: str) -> Member:
        """What it is in a pool for this model."""
        route = self.route
        return Member(
            upstream=route.upstream,
            breaker=self.breaker,
            model=route.aliases.get(model, model),
            takes_bearer=route.takes_bearer,
            rank=self.rank(),
            weight=route.weight,
        )


def _served(names: Sequence[str]) -> str:
    if not names:
        return "GET /v1/models lists what is served."
    shown = ", ".join(name[:_NAME_CHARS_KEPT_MAX] for name in names[:_NAMES_SHOWN_MAX])
    more = f" and {len(names) - _NAMES_SHOWN_MAX} more" if len(names) > _NAMES_SHOWN_MAX else ""
    return f"Served here: {shown}{more}. GET /v1/models lists all."


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")
