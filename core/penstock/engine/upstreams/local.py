"""Local upstreams: models in this process, and turns that are complete.

A model is a function from a turn to its deltas. It knows no dialect and no transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import msgspec

from penstock.engine.offload import offload
from penstock.errors import not_found
from penstock.ports import Deltas, HttpReply, PassthroughRequest, Turn
from penstock.secrets import Secret
from penstock.transcript.deltas import Delta
from penstock.wire import Model


class WholeDeltas(msgspec.Struct):
    """A turn that was read to its end."""

    _deltas: list[Delta]

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """All deltas, in one batch."""
        if not self._deltas:
            raise StopAsyncIteration
        return self.take()

    def take(self) -> list[Delta]:
        """All deltas that were not read yet, without a wait."""
        deltas, self._deltas = self._deltas, []
        return deltas

    async def aclose(self) -> None:
        """There is nothing to close."""


class LocalDeltas:
    """A turn that is generated while it is read, in batches."""

    def __init__(self, batches: Iterator[list[Delta]]) -> None:
        self._batches = batches

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The next batch. It yields to the event loop first, like a read from a socket."""
        await asyncio.sleep(0)  # before the batch is taken: a cancelled wait must lose nothing
        for batch in self._batches:
            return batch
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """There is nothing to close."""


class LocalUpstream:
    """A model in this process: a pure function from a turn to batches of deltas, and one that counts its input."""

    def __init__(
        self,
        generate: Callable[[Turn], Iterator[list[Delta]]],
        models: Iterable[str],
        count: Callable[[Turn], int] | None = None,
    ) -> None:
        self._generate = generate
        self._count = count
        self._models = [Model(id=name) for name in models]

    async def open(self, turn: Turn) -> Deltas:
        """Begin the turn. Raises `ApiError` for what the model cannot do."""
        return LocalDeltas(await offload(turn.size, self._generate, turn))

    async def models(self, bearer: Secret | None) -> list[Model]:
        """The models of the function."""
        return self._models

    async def relay(self, request: PassthroughRequest) -> HttpReply:
        """It has no API besides Responses. Raises `ApiError` 404."""
        raise not_found(f"The model '{request.model}' answers POST /responses only, not {request.path}.", "unknown_url")

    async def count_tokens(self, turn: Turn) -> int | None:
        """The model's own count. Raises `ApiError`."""
        return await offload(turn.size, self._count, turn) if self._count else None

    async def context_tokens(self, model: str, bearer: Secret | None) -> int | None:
        """Its context has no limit."""
        return None

    async def aclose(self) -> None:
        """There is nothing to close."""
