"""The ASGI adapter: the service as one ASGI callable (ASGI 3.0: HTTP, WebSocket, lifespan), in plain Python.

It translates scopes and messages to `Request`, `Reply` and `Channel` and back. It tolerates unusual servers: without
`scope["asgi"]`, without lifespan, without a disconnect message. It does not know what the service does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Container, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

from penstock.engine.running.deadlines import ClientLeft
from penstock.http import Reply, Request, Stream, body_too_long
from penstock.ports import Headers
from penstock.service import Service
from penstock.websocket import ChannelClosed

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SEND_ALL = "penstock.websocket.send"
"""The type of a message, and the server's extension for it: `texts`, each in UTF-8, are sent in one write."""
CUT = "penstock.websocket.cut"
"""The type of a message, and the server's extension for it: the connection ends without a close frame."""
Deadline = Callable[[], float | None]
"""When the host ends the current request, by `time.monotonic`. None where it is unknown."""
_OUR_FAULT = 1011
_REFUSED = 1008


class AsgiApp:
    """The service as an ASGI application; it may be mounted at any path of another application."""

    def __init__(self, service: Service, deadline: Deadline | None = None) -> None:
        self.service = service
        self._deadline = deadline
        self._lifetimes = 0

    @asynccontextmanager
    async def lifetime(self) -> AsyncIterator[None]:
        """From a server's start to its end. Several may follow each other or overlap; the last closes the service."""
        self._lifetimes += 1
        try:
            yield
        finally:
            self._lifetimes -= 1
            # spec: starts-again
            if self._lifetimes == 0:
                await self.service.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        root_path = scope.get("root_path", "")
        request = Request(
            method=scope["method"],
            path=scope["path"].removeprefix(root_path),
            root_path=root_path,
            query=_query(scope),
            headers=_headers(scope),
            receive=partial(_read_body, receive),
            disconnected=partial(_disconnected, receive),
            deadline_s=self._deadline() if self._deadline else None,
        )
        await send_reply(await self.service.handle(request), send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        channel = AsgiChannel(receive, send, scope.get("extensions", {}))
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        request = Request(method="GET", path=path, query=_query(scope), headers=_headers(scope))
        reply = await self.service.connect(request, channel)
        if reply is None:
            return
        with suppress(ChannelClosed):
            if channel.is_accepted or "websocket.http.response" not in scope.get("extensions", {}):
                await channel.close(_OUR_FAULT if channel.is_accepted else _REFUSED, "")
            else:
                await channel.refuse(reply)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.lifetime():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


class AsgiChannel:
    """A WebSocket connection of an ASGI server."""

    def __init__(self, receive: Receive, send: Send, extensions: Container[str]) -> None:
        self._receive = receive
        self._send = send
        self._extensions = extensions
        self.is_accepted = False

    async def accept(self, headers: Headers) -> None:
        """Accept the handshake."""
        self.is_accepted = True
        await self._send_message({"type": "websocket.accept", "headers": _encoded(headers)})

    async def receive(self) -> bytes | None:
        """The next message, text or binary; None when the client has disconnected."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return data if text is None else text.encode()

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send text messages. Raises `ChannelClosed`."""
        # spec: ws-one-write
        if SEND_ALL in self._extensions:
            await self._send_message({"type": SEND_ALL, "texts": messages})
        else:
            for message in messages:
                await self._send_message({"type": "websocket.send", "text": message.decode()})

    async def close(self, code: int, reason: str) -> None:
        """End the connection, or reject the handshake. Raises `ChannelClosed`."""
        await self._send_message({"type": "websocket.close", "code": code, "reason": reason})

    async def cut(self) -> None:
        """End the connection, without a close frame where the server can. Raises `ChannelClosed`."""
        if CUT in self._extensions:
            await self._send_message({"type": CUT})
        else:
            await self.close(_OUR_FAULT, "")

    async def refuse(self, reply: Reply) -> None:
        """Answer the handshake with a reply that is not a stream. Raises `ChannelClosed`."""
        start = {"type": "websocket.http.response.start", "status": reply.status, "headers": _encoded(reply.headers)}
        await self._send_message(start)
        await self._send_message({"type": "websocket.http.response.body", "body": reply.body})

    async def _send_message(self, message: MutableMapping[str, Any]) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:  # servers raise different errors once the client has disconnected
            raise ChannelClosed from error


def _query(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    return query.decode("latin-1")


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _headers(scope: Scope) -> dict[str, str]:
    """The headers by name; the values of a repeated header are joined by commas (RFC 9110, section 5.3)."""
    fields: list[tuple[bytes, bytes]] = scope["headers"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}
    if len(headers) < len(fields):
        for name in headers:
            headers[name] = ", ".join(value.decode("latin-1") for key, value in fields if key == name.encode("latin-1"))
    return headers


async def _read_body(receive: Receive, bytes_max: int) -> bytes:
    """The body as it was sent. Raises `ApiError` 413 as soon as it is known to be too long, and `ClientLeft`."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return body
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if len(pieces) > bytes_max:
            raise body_too_long(bytes_max)
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()
    raise ClientLeft


async def _disconnected(receive: Receive) -> None:
    """Wait until the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_reply(reply: Reply, send: Send) -> None:
    """Send a reply; a stream in pieces, each after the previous was taken, so that a slow client slows its upstream."""
    headers = _encoded(reply.headers)
    start = {"type": "http.response.start", "status": reply.status, "headers": headers}
    try:
        if isinstance(reply.body, bytes):
            headers.append((b"content-length", str(len(reply.body)).encode()))
        if reply.body is None or isinstance(reply.body, bytes):
            await send(start)
            await send({"type": "http.response.body", "body": reply.body or b""})
        else:
            await _send_stream(start, reply.body, send)
    except OSError:
        """The client has disconnected, or the reply was cut: the server closes the connection."""


async def _send_stream(start: MutableMapping[str, Any], stream: Stream, send: Send) -> None:
    try:
        await send(start)
        async for piece in stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        await stream.aclose()
