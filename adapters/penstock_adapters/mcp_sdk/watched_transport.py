"""A transport of the SDK whose end is noticed: a server may end a session, or a program may die, between two calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Self


class WatchedTransport:
    """The streams of a transport. `on_closed` is called when nothing more can be read, once the session has begun."""

    def __init__(self, inner: AbstractAsyncContextManager[Any], on_closed: Callable[[], None]) -> None:
        self.has_begun = False
        self._inner = inner
        self._on_closed = on_closed

    async def __aenter__(self) -> Any:
        read, write = await self._inner.__aenter__()
        return _WatchedRead(read, self._ended), write

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._inner.__aexit__(*error)

    def _ended(self) -> None:
        if self.has_begun:
            self._on_closed()


class _WatchedRead:
    """A stream that is read."""

    def __init__(self, inner: Any, on_closed: Callable[[], None]) -> None:
        self._inner = inner
        self._on_closed = on_closed

    @property
    def last_context(self) -> Any:
        """The context of the last message's sender, which the SDK runs its handlers in."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> Any:
        """The next message."""
        try:
            return await self._inner.receive()
        except BaseException:
            self._on_closed()
            raise

    async def aclose(self) -> None:
        """Close the stream."""
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._inner.__anext__()
        except BaseException:
            self._on_closed()
            raise

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._inner.__aexit__(*error)  # type: ignore[no-any-return]
