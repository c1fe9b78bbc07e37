"""A WebSocket connection without a server, as every adapter gives it.

It knows whole messages and how a connection begins and ends. Frames, pings and sizes are the adapter's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.ports import Headers

GOING_AWAY = 1001
"""The close code of an end that is nobody's fault: come again (RFC 6455, section 7.4.1)."""


class ChannelClosed(Exception):
    """The client has left: nothing can be said any more."""


class Channel(Protocol):
    """One connection. `send` may wait for a client that is slow; only one caller at a time may be in it."""

    async def accept(self, headers: Headers) -> None:
        """Take the client's handshake, once, before all else."""

    async def receive(self) -> bytes | None:
        """The next message as UTF-8, whole; None when the client has left."""

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send each of these, which are UTF-8, as a text message. Raises `ChannelClosed`."""

    async def close(self, code: int, reason: str) -> None:
        """End the connection. Raises `ChannelClosed`."""
