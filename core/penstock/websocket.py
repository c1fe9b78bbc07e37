"""A WebSocket connection without a server: the protocol that adapters implement.

It knows whole messages, and how a connection begins and ends. Adapters handle frames, pings and sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.ports import Headers

GOING_AWAY = 1001
"""The close code of a server that stops or ends an idle connection (RFC 6455, section 7.4.1)."""


class ChannelClosed(Exception):
    """The client has left: nothing can be sent."""


class Channel(Protocol):
    """One connection. `send` may wait for a slow client, and may have only one caller at a time."""

    async def accept(self, headers: Headers) -> None:
        """Accept the client's handshake. It is called once, before all other methods."""

    async def receive(self) -> bytes | None:
        """The next whole message as UTF-8. None when the client has left."""

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send each of these UTF-8 texts as a text message. Raises `ChannelClosed`."""

    async def close(self, code: int, reason: str) -> None:
        """Close the connection. Raises `ChannelClosed`."""

    async def cut(self) -> None:
        """End the connection without a close frame, where the server can. Raises `ChannelClosed`."""
