"""An exchange: one request of a connection, which the service gets, and its reply.

It decides how a reply is framed. The head of a whole reply is sent together with its body: one more write costs more
than all that is done here. `connection` decides when the connection ends.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import lru_cache
from struct import pack
from typing import Any, TypeAlias

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from penstock.engine.running.deadlines import ClientLeft
from penstock.errors import internal_error
from penstock.http import Reply, Request, Stream, body_too_long, error_reply, identified, request_id
from penstock.ports import DirectSource, Headers, Outlet
from penstock.service import Service

_log = logging.getLogger(__name__)

_CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])
"""Characters that no header may contain: they could end the header, or be read differently by a proxy."""
_UNKNOWN = float("inf")
_NO_BODY = frozenset({204, 304})
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n"
_AT_ONCE = pack("ii", 1, 0)
"""Of `SO_LINGER`: the connection is reset when it is closed."""
_COPIED_BYTES_MAX = 64 * 2**10
"""A larger body is not copied into one piece with its head."""


_Tasks: TypeAlias = set[asyncio.Task[None]]


class Exchange:
    """One request and its reply. `body` is the part of the body that arrived and was not taken yet."""

    is_started = False
    """Whether the head of the reply was sent."""
    is_complete = False
    """Whether the whole reply was sent."""
    _task: asyncio.Task[None] | None = None
    _has_whole_body = False
    _is_disconnected = False
    _changed: asyncio.Event | None = None
    """Set with the next change, if anyone waits for it."""
    _is_chunked = False
    _left = 0.0
    """How many bytes of the announced body of the reply are missing."""

    def __init__(
        self,
        transport: asyncio.Transport,
        flow: FlowControl,
        default_headers: list[tuple[bytes, bytes]],
        on_end: Callable[[], None],
        *,
        body: bytes,
        is_1_1: bool,
        expects_continue: bool,
        keep_alive: bool,
    ) -> None:
        self.body: bytes | bytearray = body
        self.keep_alive = keep_alive
        self._transport = transport
        self._flow = flow
        self._default_headers = default_headers
        self._on_end = on_end
        self._is_1_1 = is_1_1
        self._waits_for_continue = expects_continue

    # Called by the connection.

    def take(self, piece: bytes) -> None:
        """A piece of the body has arrived."""
        if not self.body:
            self.body = piece
        elif isinstance(self.body, bytearray):
            self.body += piece
        else:
            self.body = bytearray(self.body + piece)
        if piece:
            self._waits_for_continue = False
            self._note_change()

    def end_body(self) -> None:
        """The body is complete."""
        self._has_whole_body = True
        self._note_change()

    def disconnect(self) -> None:
        """Send nothing to the client from now on."""
        self._is_disconnected = True
        self._note_change()

    def begin(self, service: Service, request: Request, loop: asyncio.AbstractEventLoop, tasks: _Tasks) -> None:
        """Answer the request in a task of its own, which is among `tasks` until it ends."""
        task = self._task = loop.create_task(self._answer(service, request, tasks))
        tasks.add(task)

    async def _answer(self, service: Service, request: Request, tasks: _Tasks) -> None:
        """Send the service's reply to the request. A reply that is cut ends the connection."""
        try:
            await self._send(await service.handle(request), request)
        except OSError:
            """The service cuts its reply."""
        except Exception:
            _log.exception("%s %s has no whole reply by a fault of this server", request.method, request.path)
        finally:
            if not (self.is_complete or self._is_disconnected):
                self._fail()
            self._on_end = _nothing
            if self._task is not None:  # a callback at the end of the task would cost a turn of the event loop
                tasks.discard(self._task)
                self._task = None

    # Called by the service.

    async def read(self, bytes_max: int) -> bytes:
        """The body as it was sent. Raises `ApiError` 413 as soon as it is known to be too long, and `ClientLeft`."""
        taken = bytearray()
        while not self._is_disconnected:
            piece, self.body = self.body, b""
            if len(taken) + len(piece) > bytes_max:
                raise body_too_long(bytes_max)
            if self._has_whole_body and not taken:
                return bytes(piece)
            taken += piece
            if self._has_whole_body:
                return bytes(taken)
            await self._more()
        raise ClientLeft

    async def disconnected(self) -> None:
        """Wait until the client has disconnected, or has its reply."""
        while not (self._is_disconnected or self.is_complete):
            await self._change()

    async def _more(self) -> None:
        """Wait for the next piece of the body."""
        if self._waits_for_continue and not self._transport.is_closing():
            self._transport.write(_CONTINUE)
            self._waits_for_continue = False
        self._flow.resume_reading()
        await self._change()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        await self._changed.wait()

    def _note_change(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    # The reply.

    async def _send(self, reply: Reply, request: Request) -> None:
        body = reply.body
        if body is None or isinstance(body, bytes):
            if self._flow.write_paused:
                await self._drain()
            self._send_whole(reply.status, reply.headers, body, request.method)
        else:
            await self._send_stream(reply.status, reply.headers, body)

    async def _drain(self) -> None:
        """Wait until the client has taken enough of what was sent."""
        if self._flow.write_paused and not self._is_disconnected:
            await self._flow.drain()

    def _send_whole(self, status: int, headers: Headers, body: bytes | None, method: str) -> None:
        if self._is_disconnected:
            return
        has_length = body is not None or (method != "HEAD" and status not in _NO_BODY)
        framing = b"content-length: %d\r\n" % len(body or b"") if has_length else b""
        head = self._head(status, headers, framing)
        if body is None or len(body) > _COPIED_BYTES_MAX:
            self._transport.write(head)
            head = b""
        if body is not None:
            self._transport.write(head + body)
        self._complete()

    async def _send_stream(self, status: int, headers: Headers, stream: Stream) -> None:
        """Send a stream in pieces, each after the previous was taken, so that a slow client slows its upstream."""
        try:
            await self._drain()
            if not self._is_disconnected:
                self._transport.write(self._head(status, headers, self._stream_framing(headers)))
            if isinstance(stream, DirectSource):
                stream.send_to(Outlet(self._can_send, self._send_piece))
            async for piece in stream:
                if self._flow.write_paused:
                    await self._drain()
                if not self._is_disconnected:
                    self._send_piece(piece)
            await self._drain()
            if not self._is_disconnected:
                self._end_stream()
        finally:
            await stream.aclose()

    def _stream_framing(self, headers: Headers) -> bytes:
        """How the client finds the end of a stream: by its length, by chunks, or by the end of the connection."""
        length = next((value for name, value in headers if name == "content-length"), None)
        if length is not None:
            self._left = int(length)
        elif self._is_1_1:
            self._is_chunked = True
            return _CHUNKED
        else:
            self._left = _UNKNOWN
            self.keep_alive = False
        return b""

    def _head(self, status: int, headers: Headers, framing: bytes) -> bytes:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")
        if len(lines.translate(None, _CONTROLS)) != len(lines) - 2 * len(headers):
            raise RuntimeError("a header of the reply has control characters")
        ours = _default_lines(*self._default_headers)
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        self.is_started = True
        self._waits_for_continue = False
        return b"".join((STATUS_LINE[status], ours, lines, framing, end))

    def _can_send(self) -> bool:
        """Whether the client takes the next piece of a stream now."""
        return not (self._flow.write_paused or self._is_disconnected)

    def _send_piece(self, piece: bytes | bytearray) -> None:
        if self._is_chunked:
            if piece:  # an empty chunk would be the last one
                chunk: tuple[int, Any] = (len(piece), piece)
                self._transport.write(b"%x\r\n%b\r\n" % chunk)
            return
        self._left -= len(piece)
        if self._left < 0:
            raise RuntimeError("the body of the reply is longer than announced")
        self._transport.write(piece)

    def _end_stream(self) -> None:
        if self._is_chunked:
            self._transport.write(b"0\r\n\r\n")
        elif 0 < self._left < _UNKNOWN:
            raise RuntimeError("the body of the reply is shorter than announced")
        self._complete()

    def _complete(self) -> None:
        self.is_complete = True
        self._note_change()
        self._on_end()

    def _reset_at_end(self) -> None:
        """Let the end of the connection be a reset: an end in order would be that of the body."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    def _fail(self) -> None:
        """There is no reply, or only a part of one."""
        if self.is_started:
            if self._left == _UNKNOWN:
                self._reset_at_end()
            self._transport.close()
        else:
            self.keep_alive = False
            reply = identified(error_reply(internal_error()), request_id({}))
            assert isinstance(reply.body, bytes)
            self._send_whole(reply.status, reply.headers, reply.body, "")


@lru_cache(1)
def _default_lines(*headers: tuple[bytes, bytes]) -> bytes:
    """The lines that every reply has. They change once a second."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _nothing() -> None:
    """Do nothing: the exchange has ended."""
