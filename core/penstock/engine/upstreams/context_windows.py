"""The context sizes of an upstream's models: from the configuration, its error messages, or its list of models.

The list is read on demand and cached. For a model that is not listed it is read again, but not too often.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from fnmatch import fnmatchcase
from typing import TypeAlias

from penstock.engine.loops import LoopLock
from penstock.ids import Clock
from penstock.secrets import Secret

ContextTokens: TypeAlias = int | Mapping[str, int]
"""One size for all models, or one for each name or pattern."""

_FRESH_S = 60.0
_LEARNED_MAX = 1_000
"""The maximum number of models whose sizes are known from error messages."""
_NAME_CHARS_MAX = 200


class ContextSizes:
    """`configured` wins; `read` asks the upstream with the client's key, and raises `ApiError`."""

    def __init__(
        self,
        configured: ContextTokens | None,
        read: Callable[[Secret | None], Awaitable[dict[str, int]]],
        monotonic_s: Clock = time.monotonic,
    ) -> None:
        self._configured = configured
        self._read = read
        self._monotonic_s = monotonic_s
        self._asking = LoopLock()
        self._asked_at: float | None = None
        self._listed: dict[str, int] = {}
        self._learned: dict[str, int] = {}

    async def of(self, model: str, bearer: Secret | None = None) -> int | None:
        """The context size of a model in tokens; None where it is unknown. Raises `ApiError`."""
        size = configured_size(self._configured, model) or self._learned.get(model)
        if size is None and self._listed_size(model) is None:
            async with self._asking:
                await self._ask_if_due(bearer)
        return size or self._listed_size(model)

    def learn(self, model: str, tokens: int) -> None:
        """Store a size from an error message. Clients may use any number of names: the oldest are removed."""
        if len(model) > _NAME_CHARS_MAX:
            return
        self._learned.pop(model, None)
        self._learned[model] = tokens
        if len(self._learned) > _LEARNED_MAX:
            del self._learned[next(iter(self._learned))]

    async def _ask_if_due(self, bearer: Secret | None) -> None:
        if self._asked_at is None or self._monotonic_s() - self._asked_at >= _FRESH_S:
            self._asked_at = self._monotonic_s()
            self._listed = await self._read(bearer)

    def _listed_size(self, model: str) -> int | None:
        """A server that lists one model serves it under any name."""
        return next(iter(self._listed.values())) if len(self._listed) == 1 else self._listed.get(model)


def configured_size(configured: ContextTokens | None, model: str) -> int | None:
    """The size by exact name first, then by pattern, in order."""
    if configured is None or isinstance(configured, int):
        return configured
    if model in configured:
        return configured[model]
    return next((size for name, size in configured.items() if fnmatchcase(model, name)), None)
