"""WebSocket by uvicorn, except for clients that break the protocol, and for the end of a connection.

It knows uvicorn's protocol over `websockets`, which waits for a slow client before it reads the next message. uvicorn
closes every connection when it stops; here the app ends them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from struct import Struct
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import OPEN

from penstock_adapters.asgi import CUT, SEND_ALL

_log = logging.getLogger(__name__)

_SLICE_BYTES = 32 * 2**10
"""The bytes of empty frames that take about 50 ms to parse."""

_TEXT = 0x81
"""The first byte of a complete, unmasked text message (RFC 6455, section 5.2)."""
_SHORT_HEAD, _HEAD, _LONG_HEAD = Struct("!BB").pack, Struct("!BBH").pack, Struct("!BBQ").pack


def framed(texts: Iterable[bytes]) -> bytes:
    """Each text as a message of its own, without compression."""
    return b"".join([piece for text in texts for piece in (_head(len(text)), text)])


def _head(size: int) -> bytes:
    if size < 126:
        return _SHORT_HEAD(_TEXT, size)
    return _HEAD(_TEXT, 126, size) if size < 2**16 else _LONG_HEAD(_TEXT, 127, size)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A connection that the app ends when the server stops."""

    _pong = b""
    """The last pong that the client has not taken yet."""

    _unread = b""
    """Bytes that were read and not parsed yet."""

    def handle_connect(self, event: Request) -> None:
        """A handshake has arrived."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"] |= {SEND_ALL: {}, CUT: {}}

    async def send(self, message: Any) -> None:
        """Send the app's message; many texts in one write. Raises `ClientDisconnected`."""
        if message["type"] == CUT:
            self._cut()
        elif message["type"] == SEND_ALL:
            await self._send_all(message["texts"])
        else:
            await super().send(message)

    def _cut(self) -> None:
        """End the connection after what was sent."""
        self.disconnected = True
        self.transport.close()
        self._abort_later()

    async def _send_all(self, texts: Iterable[bytes]) -> None:
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.conn.state is not OPEN:
            raise ClientDisconnected
        # spec: ws-one-write
        self.transport.write(framed(texts))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has disconnected."""
        self._unread = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take the bytes; many of them in slices, with other tasks in between: tiny frames take long to parse."""
        if len(data) <= _SLICE_BYTES and not self._unread:
            super().data_received(data)
            return
        begins = not self._unread
        self._unread += data
        if begins:
            self._take_slice()

    def _take_slice(self) -> None:
        if not self._unread or self.transport.is_closing():
            return
        data, self._unread = self._unread[:_SLICE_BYTES], self._unread[_SLICE_BYTES:]
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unread:
            self.transport.pause_reading()
            self.loop.call_soon(self._take_slice)
        elif not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> ASGIReceiveEvent:
        """The next message. Nothing more is read before the previous bytes are taken."""
        message = await super().receive()
        if self._unread:
            self.transport.pause_reading()
        return message

    def shutdown(self) -> None:
        """The server stops: a connection that the app has accepted, and not ended yet, is ended by the app."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    def resume_writing(self) -> None:
        """The client has taken enough."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    def handle_ping(self) -> None:
        """Answer. Of pongs that a client does not take, only the last one waits (RFC 6455, section 5.5.3)."""
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)
        elif pong:
            self._pong = pong

    def handle_cont(self, event: Frame) -> None:
        """Continue a message, in one buffer: a client may send any number of fragments, even empty ones."""
        begun: bytes | bytearray = self.frames[0]
        buffer = begun if isinstance(begun, bytearray) else bytearray(begun)
        buffer += event.data
        self.frames = [bytes(buffer) if event.fin else buffer]  # type: ignore[list-item]
        if event.fin:
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        """Pass on a complete message. A text that is not UTF-8 ends the connection (section 8.1)."""
        [data], self.frames = self.frames, []
        if self.close_sent:
            return
        try:
            if self.curr_msg_data_type == "text":
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            else:
                self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        except UnicodeDecodeError as error:
            self.conn.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
            self.handle_parser_exception()
            return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_parser_exception(self) -> None:
        """The client broke the protocol: it receives the code and the reason, and the connection ends.

        Its further bytes are discarded, or they would reset the connection before the client reads the reason.
        """
        close = self.conn.close_sent
        if self.close_sent or close is None:
            return
        # spec: ws-frames
        _log.info("a WebSocket connection was closed with %d %s", close.code, close.reason)
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """The client does not answer."""
        super().keepalive_timeout()
        self._abort_later()

    async def run_asgi(self) -> None:
        """Run the app."""
        await super().run_asgi()
        self._abort_later()

    def _abort_later(self) -> None:
        """Abort later: a transport closes only when its buffers are empty, and this client takes nothing."""
        self.loop.call_later(self.close_timeout, self.transport.abort)
