"""Deltas one at a time, so that a response that fails has no text that its client has not got."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator

from penstock.ports import Deltas
from penstock.transcript.deltas import Delta, ReasoningRun, TextRun


class SingleDeltas:
    """Other deltas, each in a batch of its own."""

    def __init__(self, deltas: Deltas) -> None:
        self._deltas = deltas
        self._batches = aiter(deltas)
        self._ready: deque[Delta] = deque()

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The next delta."""
        while not self._ready:
            for delta in await anext(self._batches):
                self._ready.extend(_single(delta))
        return [self._ready.popleft()]

    async def aclose(self) -> None:
        """End the turn."""
        await self._deltas.aclose()


def _single(delta: Delta) -> Iterator[Delta]:
    """The delta, or those that a run consists of."""
    if isinstance(delta, TextRun | ReasoningRun):
        for text in delta.texts:
            yield type(delta)([text])
    else:
        yield delta
