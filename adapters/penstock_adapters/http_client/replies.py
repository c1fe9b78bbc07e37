"""A reply as it comes in: what has arrived of it, and who waits for more.

It knows nothing of HTTP's framing: the parser fills it, and its connection says when there is news.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from .faults import UpstreamFailed


class Source(Protocol):
    """What a reply comes from."""

    def resume(self) -> None:
        """Read on: what was there has been taken."""

    def drop(self) -> None:
        """End the connection: nobody wants the rest."""


class IncomingReply:
    """An upstream's reply. Its body is read by one reader, who may be cancelled and come again."""

    __slots__ = (
        "_make_future",
        "_source",
        "_waiter",
        "buffered",
        "fault",
        "has_ended",
        "has_head",
        "headers",
        "is_paused",
        "is_stale",
        "pieces",
        "status",
    )

    def __init__(self, source: Source, make_future: Callable[[], asyncio.Future[None]]) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        """By name in lower case."""
        self.has_head = False
        self.has_ended = False
        self.fault: UpstreamFailed | None = None
        """Why there is no more of it."""
        self.is_stale = False
        """Whether it was asked for on a kept connection that the upstream was closing."""
        self.pieces: list[bytes] = []
        self.buffered = 0
        """About how many bytes wait for the reader."""
        self.is_paused = False
        """Whether its source waits for the reader."""
        self._source: Source | None = source
        self._make_future = make_future
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Whatever has arrived, in one piece. Raises `TransportError` where the body is cut."""
        pieces = self.pieces
        while not pieces:
            if self.has_ended:
                raise StopAsyncIteration
            if self.fault is not None:
                raise self.fault.error()
            await self.news()
        chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        if self.is_paused and self._source is not None:
            self._source.resume()
        return chunk

    async def head(self) -> None:
        """Wait for the head, or for the fault in its place. Where that is cancelled, the reply is given up."""
        try:
            while not self.has_head and self.fault is None:
                await self.news()
        except BaseException:
            self.drop()
            raise

    def news(self) -> asyncio.Future[None]:
        """What ends as soon as something has come. A wait for it that is cancelled loses nothing."""
        waiter = self._waiter = self._make_future()
        return waiter

    def wake(self) -> None:
        """There is news."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def release(self) -> None:
        """The connection has nothing more to do with it."""
        self._source = None

    def drop(self) -> None:
        """Give up what has not come yet, which tells the upstream to stop."""
        if self._source is not None:
            self._source.drop()

    async def aclose(self) -> None:
        """The same."""
        self.drop()
