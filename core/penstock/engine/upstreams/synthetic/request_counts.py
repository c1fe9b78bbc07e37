"""Counts of requests: how many requests with the same model name came before, and how many of them failed."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

_NAMES_MAX = 1_000
"""The model names that are counted. The one that was used the longest time ago is forgotten first."""


class Counts(msgspec.Struct):
    """The requests with one model name."""

    requests: int = 0
    errors: int = 0


class RequestCounts:
    """The counts of each model name."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, Counts] = OrderedDict()

    def of(self, model: str) -> Counts:
        """The counts of a model name, which the caller increases."""
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = Counts()
            if len(self._counts) > _NAMES_MAX:
                self._counts.popitem(last=False)
        self._counts.move_to_end(model)
        return counts

    def number(self, model: str) -> int:
        """The number of the next request with this name. The first one is 0."""
        counts = self.of(model)
        counts.requests += 1
        return counts.requests - 1

    def reset(self) -> None:
        """Begin anew."""
        self._counts.clear()
