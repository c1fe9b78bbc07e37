"""The HTTP below the SDK: it connects to judged addresses only, adds the secret headers, and bounds replies.

A failure is answered as a reply with a JSON-RPC error. An exception would end the whole session, with all other calls.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from httpx2 import Response as HttpResponse

from penstock.egress import Egress
from penstock.limits import Limits
from penstock.tools.mcp.client import McpFailed, RemoteServer
from penstock_adapters.name_lookup import look_up

from .exchange import CURRENT, Exchange

_STREAM = "text/event-stream"
_CONNECTION_FAILED = "The server cannot be reached."
_BROKEN = "The connection to the server was lost."
_TOO_LONG = "The server's reply is longer than {} bytes."
_ENCODED = "The server's reply is compressed, which was not asked for."
_CODE = -32_000
"""The code of errors of ours, in the range that JSON-RPC leaves to implementations."""
_BAD_GATEWAY = 502
_ERROR_STATUS = 400


class GuardedTransport(httpx2.AsyncBaseTransport):
    """The transport of one session with one server."""

    def __init__(self, server: RemoteServer, egress: Egress, context: ssl.SSLContext, limits: Limits) -> None:
        self._server = server
        self._egress = egress
        self._limits = limits
        self._inner = httpx2.AsyncHTTPTransport(verify=context, trust_env=False)
        self._address: str | None = None
        """The address that the session is pinned to, while it works."""

    async def handle_async_request(self, request: httpx2.Request) -> HttpResponse:
        """Send a request. It never raises for what a server or the network does."""
        exchange = CURRENT.get() or Exchange()
        for name, value in self._server.headers:
            request.headers[name] = value.reveal()
        request.headers["accept-encoding"] = "identity"
        try:
            reply = await self._sent(request, exchange)
        except (OSError, httpx2.TransportError):
            self._address = None
            return _failed(exchange, _BROKEN if exchange.was_sent else _CONNECTION_FAILED)
        exchange.status = reply.status_code
        if reply.status_code >= _ERROR_STATUS:
            exchange.end_soon()
        return await self._bounded(reply, exchange)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _sent(self, request: httpx2.Request, exchange: Exchange) -> HttpResponse:
        """Send it to the pinned address, or else to the first address that accepts a connection."""
        host, port = self._server.target.host, self._server.target.port
        url = request.url
        request.extensions = {**request.extensions, "sni_hostname": host}
        addresses = [self._address] if self._address else await self._resolve(host, port)
        for address in addresses:
            request.url = url.copy_with(host=address)
            try:
                reply = await self._inner.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if address == addresses[-1]:
                    raise
            except BaseException:
                exchange.was_sent = True
                raise
            else:
                self._address = address
                exchange.was_sent = True
                return reply
        raise httpx2.ConnectError(_CONNECTION_FAILED)

    async def _resolve(self, host: str, port: int) -> list[str]:
        """The addresses that may be called. Raises `OSError`, which is the same for a closed port."""
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            rows = await look_up(host, port)
            found = list(dict.fromkeys(str(row[4][0]) for row in rows))
        return found if self._server.is_own else self._egress.admitted(host, port, found)

    async def _bounded(self, reply: HttpResponse, exchange: Exchange) -> HttpResponse:
        """The reply, whose body is bounded, and ends where the connection does."""
        if reply.headers.get("content-encoding", "identity").lower() != "identity":
            await reply.aclose()
            return _failed(exchange, _ENCODED)
        stream: Any = reply.stream
        if reply.headers.get("content-type", "").lower().startswith(_STREAM):
            reply.stream = _EndingStream(stream)
            return reply
        body = await self._read(stream, exchange)
        await reply.aclose()
        if body is None:
            assert exchange.failure is not None
            return _failed(exchange, exchange.failure.message)
        headers = [(name, value) for name, value in reply.headers.raw if name.lower() not in _FRAMING]
        return HttpResponse(reply.status_code, headers=headers, content=body, request=reply._request)

    async def _read(self, stream: Any, exchange: Exchange) -> bytes | None:
        """A whole body. None where it is too long, or is cut."""
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in stream:
                size += len(piece)
                if size > self._limits.mcp_body_bytes_max:
                    exchange.failure = McpFailed(_TOO_LONG.format(self._limits.mcp_body_bytes_max), code=_CODE)
                    return None
                pieces.append(piece)
        except (OSError, httpx2.TransportError):
            exchange.failure = McpFailed(_BROKEN, code=_CODE)
            return None
        return b"".join(pieces)


_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"content-encoding"))


class _EndingStream(httpx2.AsyncByteStream):
    """A stream of events. A lost connection is its end: the SDK then ends the one call that waits for it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._inner:
                yield piece
        except (OSError, httpx2.TransportError):
            return

    async def aclose(self) -> None:
        await self._inner.aclose()


def _failed(exchange: Exchange, message: str) -> HttpResponse:
    """A reply in place of one that cannot be used. The SDK takes its error for the call's."""
    exchange.failure = exchange.failure or McpFailed(message, code=_CODE)
    exchange.status = None
    exchange.end_soon()
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": _CODE, "message": message}}
    return HttpResponse(_BAD_GATEWAY, json=error)
