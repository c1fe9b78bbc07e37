"""A reply in progress: the bytes that have arrived, and the reader or the outlet that waits for more.

It knows nothing of HTTP's framing: the parser fills it, and its connection reports changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import NoReturn, Protocol

from penstock.ports import DirectSource, Outlet

from .faults import TransportFault


class Source(Protocol):
    """The source of a reply."""

    def resume(self) -> None:
        """Continue to read: the bytes so far were taken."""

    def drop(self) -> None:
        """Close the connection: the rest is not needed."""


class IncomingReply(DirectSource[bytes]):
    """An upstream's reply. Its body has one reader, which may be cancelled and read again."""

    status = 0
    headers: Mapping[str, str] = {}
    """By name in lower case."""
    has_head = False
    has_ended = False
    fault: TransportFault | None = None
    """The reason why there is no more of it."""
    is_stale = False
    """Whether it was requested on a reused connection that the upstream was closing."""
    buffered = 0
    """About how many bytes wait for the reader."""
    is_paused = False
    """Whether its source waits for the reader."""
    _waiter: asyncio.Future[None] | None = None
    _outlet: Outlet[bytes] | None = None
    _error: Exception | None = None
    """What the outlet raised. The reader raises it: a cancelled wait must not lose it."""

    def __init__(self, source: Source, make_future: Callable[[], asyncio.Future[None]]) -> None:
        self.pieces: list[bytes] = []
        self._source: Source | None = source
        self._make_future = make_future

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The bytes that have arrived, in one piece. Raises `TransportError` where the body is cut."""
        pieces = self.pieces
        while not pieces:
            if self._error is not None:
                self._raise_error()
            if self.has_ended:
                raise StopAsyncIteration
            if self.fault is not None:
                raise self.fault.error()
            await self.change()
        return self._take()

    def _take(self) -> bytes:
        """The bytes that have arrived. The source may send more."""
        pieces = self.pieces
        chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        if self.is_paused and self._source is not None:
            self._source.resume()
        return chunk

    def _raise_error(self) -> NoReturn:
        assert self._error is not None
        try:
            raise self._error
        finally:
            self._error = None  # it would be a cycle

    def send_to(self, outlet: Outlet[bytes]) -> None:
        """Send bytes to this outlet as they arrive, while the reader waits for them, in the context of the reader."""
        if self._source is not None:
            send: Callable[[bytes], None] = partial(copy_context().run, outlet.send)  # type: ignore[call-arg]
            self._outlet = Outlet(outlet.is_ready, send)

    def change(self) -> asyncio.Future[None]:
        """A future that ends with the next change. A cancelled wait for it loses nothing."""
        waiter = self._waiter = self._make_future()
        return waiter

    def wake(self) -> None:
        """There is a change: the outlet takes it, or the reader."""
        waiter = self._waiter
        if waiter is None or waiter.done() or (self._outlet is not None and self._sends(self._outlet)):
            return
        self._waiter = None
        waiter.set_result(None)

    def _sends(self, outlet: Outlet[bytes]) -> bool:
        """Send the bytes that have arrived to the outlet. False where the reader has to go on."""
        if self.has_ended or self.fault is not None or not outlet.is_ready():
            return False
        try:
            if self.pieces:
                outlet.send(self._take())
        except Exception as error:
            self._error = error
        return self._error is None

    def release(self) -> None:
        """The connection has finished with it."""
        self._source = self._outlet = None

    def drop(self) -> None:
        """Discard the rest, so that the upstream stops."""
        if self._source is not None:
            self._source.drop()

    async def aclose(self) -> None:
        """The same as `drop`."""
        self.drop()
