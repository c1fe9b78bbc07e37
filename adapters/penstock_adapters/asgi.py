"""The hub of the doors: the service as one ASGI callable (ASGI 3.0, HTTP and lifespan), in the standard library.

It translates scopes and messages to `Request` and `Reply` and back. It tolerates odd hosts: no `scope["asgi"]`, no
lifespan, a disconnect that never comes. It knows nothing of what the service does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from penstock.errors import ApiError
from penstock.http import Reply, Request, error_reply, identified
from penstock.service import Service

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


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
            await _refuse_websocket(scope, receive, send)

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
            path=scope["path"].removeprefix(scope.get("root_path", "")),
            query=scope.get("query_string", b"").decode("latin-1"),
            headers=headers,
            body=body,
            disconnected=_disconnected(receive),
        )
        await _send_reply(await self.service.handle(request), send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.service.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


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
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
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


async def _refuse_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a WebSocket handshake with 426, where the server can, so that clients fall back to HTTP."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    error = ApiError("WebSocket is not served here; use HTTP.", status=426, code="upgrade_required")
    reply = identified(error_reply(error), _headers(scope))
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body})
