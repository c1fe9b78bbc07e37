"""An exchange: one request of a connection and its reply, as an ASGI app receives the one and sends the other.

It knows uvicorn's cycle, which runs the app. It decides how a reply is framed; `connection` decides when the
connection ends.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from penstock.errors import internal_error
from penstock.http import error_reply, identified, request_id

_CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])
"""Characters that no header may contain: they could end the header, or be read differently by a proxy."""
_UNKNOWN = float("inf")
_NO_BODY = frozenset({204, 304})
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange(RequestResponseCycle):
    """One request and its reply. `body` is the part of the body that arrived and was not taken yet."""

    body: bytes | bytearray = b""  # type: ignore[assignment]
    _sends_body = True
    _is_chunked = False
    _left: float = 0
    """How many bytes of the announced body are missing; None for a body that ends with the connection."""

    def take(self, piece: bytes) -> None:
        """A piece of the body has arrived."""
        if not self.body:
            self.body = piece
        elif isinstance(self.body, bytearray):
            self.body += piece
        else:
            self.body = bytearray(self.body + piece)
        if piece:
            self.waiting_for_100_continue = False
            self.message_event.set()

    def end_body(self) -> None:
        """The body is complete."""
        self.more_body = False
        self.message_event.set()

    def disconnect(self) -> None:
        """Send nothing to the client from now on."""
        self.disconnected = True
        self.message_event.set()

    async def receive(self) -> Any:
        """The next piece of the body, or the client's disconnect."""
        if self.waiting_for_100_continue and self.more_body and not self.transport.is_closing():
            self.transport.write(_CONTINUE)
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            if self.more_body:  # else the next bytes belong to the next request, and wait in the socket
                self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = self.body, b""
        return {"type": "http.request", "body": bytes(body), "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        """Send a piece of the reply, after the client has taken enough of the previous ones."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._start(message["status"], message["headers"])
        elif not self.response_complete:
            self._continue(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            raise RuntimeError("the reply was complete")

    async def send_500_response(self) -> None:
        """The reply if the app fails without one."""
        reply = identified(error_reply(internal_error()), request_id({}))
        assert isinstance(reply.body, bytes)
        headers = [(name.encode(), value.encode()) for name, value in reply.headers]
        headers.append((b"content-length", b"%d" % len(reply.body)))
        self.keep_alive = False
        await self.send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": reply.body})

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        lines = [*self.default_headers, *headers]
        block = b"".join([b"%b: %b\r\n" % line for line in lines])
        if len(block.translate(None, _CONTROLS)) != len(block) - 2 * len(lines):
            raise RuntimeError("a header of the reply has control characters")
        block += self._framing(status, dict(headers))
        self.response_started = True
        self.waiting_for_100_continue = False
        self.transport.write(STATUS_LINE[status] + block)

    def _framing(self, status: int, headers: dict[bytes, bytes]) -> bytes:
        """How the client finds the end of the body: by its length, by chunks, or by the end of the connection."""
        self._sends_body = self.scope["method"] != "HEAD" and status not in _NO_BODY
        framing = b""
        if (length := headers.get(b"content-length")) is not None:
            self._left = int(length)
        elif self._sends_body and self.scope["http_version"] == "1.1":
            self._is_chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        elif self._sends_body:
            self._left = _UNKNOWN
            self.keep_alive = False
        return framing + (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")

    def _continue(self, body: bytes, *, is_last: bool) -> None:
        if self._is_chunked:
            end = b"0\r\n\r\n" if is_last else b""
            self.transport.write(b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end)
        elif self._sends_body:
            self._left -= len(body)
            if self._left < 0 or (is_last and 0 < self._left < _UNKNOWN):
                raise RuntimeError("the body of the reply does not have the announced length")
            self.transport.write(body)
        if is_last:
            self.response_complete = True
            self.message_event.set()
            self.on_response()
