"""The WebSocket connection of one simulated user: one turn after another, by the client that locust installs."""

from __future__ import annotations

from collections.abc import Mapping

import websocket

TIMEOUT_S = 60
FAILURES = (OSError, websocket.WebSocketException)


class TurnError(Exception):
    """A turn failed; the text states why. Locust counts failures by their text."""


class TurnConnection:
    """A WebSocket on which turns are sent."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect to the `http://` URL. Raises `TurnError`."""
        try:
            self._socket = websocket.create_connection(
                url.replace("http", "ws", 1), timeout=TIMEOUT_S, header=dict(headers)
            )
        except FAILURES as error:
            raise TurnError(f"the connection failed: {error}") from error

    def send(self, message: bytes) -> None:
        """Send one text message. Raises `TurnError`."""
        try:
            self._socket.send(message.decode())
        except FAILURES as error:
            raise TurnError(f"the connection was lost: {error}") from error

    def receive(self) -> bytes:
        """Return the next message. Raises `TurnError` where the connection ends."""
        try:
            received = self._socket.recv()
        except FAILURES as error:
            raise TurnError(f"the connection was lost: {error}") from error
        if not received:
            raise TurnError("the server closed the connection")
        return received.encode() if isinstance(received, str) else received

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
