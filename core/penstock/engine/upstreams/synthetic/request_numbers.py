"""The numbers of requests: how many requests with the same model name came before."""

from __future__ import annotations

from collections import OrderedDict

_NAMES_MAX = 1_000
"""The model names that are counted. The one that was used the longest time ago is forgotten first."""


class RequestNumbers:
    """A counter for each model name."""

    def __init__(self) -> None:
        self._next: OrderedDict[str, int] = OrderedDict()

    def take(self, model: str) -> int:
        """The number of the next request with this name. The first one is 0."""
        number = self._next.pop(model, 0)
        self._next[model] = number + 1
        if len(self._next) > _NAMES_MAX:
            self._next.popitem(last=False)
        return number

    def reset(self) -> None:
        """Begin anew."""
        self._next.clear()
