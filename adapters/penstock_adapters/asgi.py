"""The hub of the doors: the service as one ASGI callable (ASGI 3.0: HTTP, WebSocket, lifespan), in plain Python.

It translates scopes and messages to `Request`, `Reply` and `Channel` and back. It tolerates odd hosts: no
`scope["asgi"]`, no lifespan, a disconnect that never comes. It knows nothing of what the service does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

from penstock.channel import ChannelClosed
from penstock.errors import ApiError
from penstock.http import Reply, Request, error_reply, identified
from penstock.ports import Headers
from penstock.service import Service

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_OUR_FAULT = 1011
_REFUSED = 1008


class ClientDisconnected(Exception):
    """The client left before its request was whole."""


class AsgiApp:
    """The service as an ASGI application; it may be mounted at any path of another one."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        try:
            body = await _read_body(headers, receive, self.service.limits.body_bytes_max)
        except ClientDisconnected:
            return
        except ApiError as error:
            await _send_reply(identified(error_reply(error), headers), send)
            return
        request = Request(
            method=scope["method"],
            path=_path(scope),
            query=_query(scope),
            headers=headers,
            body=body,
            disconnected=_disconnected(receive),
        )
        await _send_reply(await self.service.handle(request), send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        channel = AsgiChannel(receive, send)
        request = Request(method="GET", path=_path(scope), query=_query(scope), headers=_headers(scope))
        reply = await self.service.connect(request, channel)
        if reply is None:
            return
        with suppress(ChannelClosed):
            if channel.is_accepted or "websocket.http.response" not in scope.get("extensions", {}):
                await channel.close(_OUR_FAULT if channel.is_accepted else _REFUSED, "")
            else:
                await channel.refuse(reply)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.service.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


class AsgiChannel:
    """A WebSocket connection of an ASGI server."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.is_accepted = False

    async def accept(self, headers: Headers) -> None:
        """Take the handshake."""
        self.is_accepted = True
        await self._say({"type": "websocket.accept", "headers": _encoded(headers)})

    async def receive(self) -> bytes | None:
        """The next message, text or binary; None when the client has left."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return data if text is None else text.encode()

    async def send(self, message: bytes) -> None:
        """Send a text message. Raises `ChannelClosed`."""
        await self._say({"type": "websocket.send", "text": message.decode()})

    async def close(self, code: int, reason: str) -> None:
        """End the connection, or refuse the handshake. Raises `ChannelClosed`."""
        await self._say({"type": "websocket.close", "code": code, "reason": reason})

    async def refuse(self, reply: Reply) -> None:
        """Answer the handshake with a reply that is no stream. Raises `ChannelClosed`."""
        start = {"type": "websocket.http.response.start", "status": reply.status, "headers": _encoded(reply.headers)}
        await self._say(start)
        await self._say({"type": "websocket.http.response.body", "body": reply.body})

    async def _say(self, message: MutableMapping[str, Any]) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:  # hosts do not agree on what they raise once the client has left
            raise ChannelClosed from error


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _query(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    return query.decode("latin-1")


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def _read_body(headers: dict[str, str], receive: Receive, bytes_max: int) -> bytes:
    """The body as it was sent. Raises `ApiError` 413 as soon as it is known to be too long."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > bytes_max:
        raise _too_long(bytes_max)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return body
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if len(pieces) > bytes_max:
            raise _too_long(bytes_max)
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()
    raise ClientDisconnected


def _too_long(bytes_max: int) -> ApiError:
    message = f"The body of the request is too long: at most {bytes_max} bytes are taken."
    return ApiError(message, status=413, code="request_too_large")


def _disconnected(receive: Receive) -> Callable[[], Awaitable[None]]:
    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return disconnected


async def _send_reply(reply: Reply, send: Send) -> None:
    """Send a reply; a stream piece by piece, each when the last was taken, so that a slow client slows its upstream."""
    headers = _encoded(reply.headers)
    if isinstance(reply.body, bytes):
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        return
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        async for piece in reply.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except OSError:
        """The client left, or what it is told was cut: either way the server closes its connection."""
    finally:
        await reply.body.aclose()
