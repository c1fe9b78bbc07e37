"""A server's stream of events, as the SDK may read it: each event is checked before, and the whole is bounded.

It splits the stream at the blank lines, and does not know what an event contains.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2

from penstock.limits import Limits
from penstock.tools.mcp.client import McpFailed

from .exchange import Exchange

CODE = -32_000
"""The code of errors of ours, in the range that JSON-RPC leaves to implementations."""
_TOO_LONG = "The server's reply is longer than {} bytes."
_END = re.compile(rb"\n\r?\n|\r\r")
"""The end of an event."""
_END_BYTES = 3


class CheckedEvents(httpx2.AsyncByteStream):
    """The events of a stream. `check` raises `McpFailed` for an event that is not to be read.

    A failure, or a lost connection, is the end of the stream: the SDK then ends the one call that waits for it.
    """

    def __init__(self, inner: Any, check: Callable[[bytes], None], exchange: Exchange, limits: Limits) -> None:
        self._inner = inner
        self._check = check
        self._exchange = exchange
        self._limits = limits
        self._begun = bytearray()
        """The beginning of an event that is not complete."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limits.mcp_stream_bytes_max
        try:
            async for piece in self._inner:
                left -= len(piece)
                if left < 0:
                    raise too_long(self._limits.mcp_stream_bytes_max)
                if events := self._complete(piece):
                    yield events
        except McpFailed as failed:
            self._exchange.failure = failed
        except (OSError, httpx2.TransportError):
            return

    async def aclose(self) -> None:
        """Close the stream."""
        await self._inner.aclose()

    def _complete(self, piece: bytes) -> bytes:
        """The events that are complete with this piece. Raises `McpFailed`."""
        begun = self._begun
        searched = max(0, len(begun) - _END_BYTES)
        begun += piece
        complete = 0
        for end in _END.finditer(begun, searched):
            self._check(bytes(begun[complete : end.end()]))
            complete = end.end()
        events = bytes(begun[:complete])
        del begun[:complete]
        if len(begun) > self._limits.mcp_body_bytes_max:
            raise too_long(self._limits.mcp_body_bytes_max)
        return events


def too_long(bytes_max: int) -> McpFailed:
    """The failure of a reply that is too long."""
    return McpFailed(_TOO_LONG.format(bytes_max), code=CODE)
