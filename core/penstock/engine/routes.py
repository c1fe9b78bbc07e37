"""Which upstream serves a model: by its exact name, then by pattern, in the order of the configuration.

It knows names and patterns; it never asks an upstream what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from penstock.errors import invalid, not_found
from penstock.ports import Upstream


class Route(msgspec.Struct, kw_only=True, frozen=True):
    """One upstream and the models that it serves. `aliases` maps a client's name to the upstream's."""

    name: str
    upstream: Upstream
    models: Sequence[str] = ("*",)
    aliases: dict[str, str] = {}
    takes_bearer: bool = False
    """Whether the client's own key is passed on, since none is configured."""
    relays: bool = False
    """Whether the upstream speaks Responses: tools and items go there as they are, and events come back so."""

    @property
    def has_patterns(self) -> bool:
        """Whether it serves models that only the upstream can name."""
        return any(_is_pattern(name) for name in self.models)

    def serves(self, model: str) -> bool:
        """Whether one of its names or patterns fits the model."""
        return model in self.aliases or any(fnmatchcase(model, name) for name in self.models)


class Routes:
    """Every route; asking it for a model is the only choice that is made."""

    def __init__(self, routes: Sequence[Route], default_model: str | None = None) -> None:
        self.all = tuple(routes)
        self._default_model = default_model
        self._exact: dict[str, Route] = {}
        for route in reversed(self.all):
            self._exact |= {name: route for name in [*route.models, *route.aliases] if not _is_pattern(name)}
        self._patterns = [(name, route) for route in self.all for name in route.models if _is_pattern(name)]

    def choose(self, model: str | None) -> tuple[str, Route]:
        """The model's public name and its route. Raises `ApiError`: 400 for no model at all, 404 for an unknown one."""
        name = model or self._default_model
        if not name:
            raise invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
        route = self._exact.get(name)
        if route is not None:
            return name, route
        for pattern, candidate in self._patterns:
            if fnmatchcase(name, pattern):
                return name, candidate
        raise not_found(f"The model '{name}' does not exist or is not served here.", "model_not_found", "model")

    def named_models(self) -> dict[str, Route]:
        """The models that the configuration names one by one, with their routes."""
        return dict(self._exact)


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")
