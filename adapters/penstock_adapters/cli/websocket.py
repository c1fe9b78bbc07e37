"""WebSocket by uvicorn, but for its end: uvicorn cuts every connection when it stops, and here the app ends them.

It knows uvicorn's protocol over `websockets`, which waits for a slow client before it takes the next message.
"""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A connection that the app ends when the server stops."""

    def shutdown(self) -> None:
        """The server stops: a connection that the app has taken, and not yet ended, is the app's to end."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    def keepalive_timeout(self) -> None:
        """The client does not answer."""
        super().keepalive_timeout()
        self._abort_later()

    async def run_asgi(self) -> None:
        """Run the app."""
        await super().run_asgi()
        self._abort_later()

    def _abort_later(self) -> None:
        """A client that takes nothing would hold its buffers for ever: a transport closes when they are empty."""
        self.loop.call_later(self.close_timeout, self.transport.abort)
