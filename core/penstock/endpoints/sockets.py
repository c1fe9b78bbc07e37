"""All WebSocket connections of this process: their number, and their end when the server stops.

It decides whether a handshake is accepted. `socket` handles the connection after that, and is
imported for the first one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from penstock.engine import Engine
from penstock.errors import rate_limited, stopping
from penstock.ports import Headers
from penstock.secrets import Secret
from penstock.websocket import Channel, ChannelClosed

if TYPE_CHECKING:
    from penstock.endpoints.socket import Admit, Socket

_TRY_AGAIN_S = 1.0


class Sockets:
    """The connections to `/responses`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: set[Socket] = set()

    def check(self) -> None:
        """Raises `ApiError` where no more connections are accepted."""
        if self._engine.drain.is_begun:
            raise stopping()
        if len(self._open) >= self._engine.limits.sockets_max:
            raise rate_limited("This server has reached its limit of WebSocket connections.", _TRY_AGAIN_S)

    async def serve(
        self, channel: Channel, headers: Headers, admit: Admit, key: Secret | None, synthetic: str = ""
    ) -> None:
        """Accept the handshake with `headers`, and serve the connection to its end."""
        from penstock.endpoints.socket import Socket

        socket = Socket(self._engine, channel, admit, key, synthetic)
        self._open.add(socket)
        try:
            with self._engine.drain.answering():
                await self._engine.start()
            with suppress(ChannelClosed):
                await channel.accept(headers)
                await socket.serve()
        finally:
            self._open.discard(socket)

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def waiting(self) -> int:
        """How many requests wait on them."""
        return sum(socket.waiting for socket in self._open)

    def drain(self) -> None:
        """The server is stopping: idle connections end now, and the others when their responses have ended."""
        for socket in list(self._open):
            socket.stop()
