"""The HTTP below the SDK: it connects to judged addresses only, adds the secret headers, and bounds replies.

A failure is answered as a reply with a JSON-RPC error. An exception would end the whole session, with all other calls.
"""

from __future__ import annotations

import ipaddress
import ssl
from typing import Any

import httpx2
import msgspec
from httpx2 import Response as HttpResponse

from penstock.egress import Egress
from penstock.engine.request.json_bounds import check_json
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.tools.mcp.client import McpFailed, RemoteServer
from penstock_adapters.name_lookup import look_up

from .checked_events import CODE, CheckedEvents, too_long
from .exchange import CURRENT, Exchange

_STREAM = "text/event-stream"
_CONNECTION_FAILED = "The server cannot be reached."
_BROKEN = "The connection to the server was lost."
_TOO_MANY = "The server's reply has more than {} JSON values, or too many levels."
_ENCODED = "The server's reply is compressed, which was not asked for."
_BAD_GATEWAY = 502
_ERROR_STATUS = 400


class GuardedTransport(httpx2.AsyncBaseTransport):
    """The transport of one session with one server."""

    def __init__(self, server: RemoteServer, egress: Egress, context: ssl.SSLContext, limits: Limits) -> None:
        self._server = server
        self._egress = egress
        self._limits = limits
        values_max = limits.mcp_values_max
        self._bounds = msgspec.structs.replace(limits, json_values_max=values_max, json_keys_max=values_max)
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
            reply.stream = CheckedEvents(stream, self._check, exchange, self._limits)
            return reply
        try:
            body = await self._read(stream)
            self._check(body)
        except McpFailed as failed:
            exchange.failure = failed
            return _failed(exchange, failed.message)
        finally:
            await reply.aclose()
        headers = [(name, value) for name, value in reply.headers.raw if name.lower() not in _FRAMING]
        return HttpResponse(reply.status_code, headers=headers, content=body, request=reply._request)

    async def _read(self, stream: Any) -> bytes:
        """A whole body. Raises `McpFailed` where it is too long, or is cut."""
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in stream:
                size += len(piece)
                if size > self._limits.mcp_body_bytes_max:
                    raise too_long(self._limits.mcp_body_bytes_max)
                pieces.append(piece)
        except (OSError, httpx2.TransportError):
            raise McpFailed(_BROKEN, code=CODE) from None
        return b"".join(pieces)

    def _check(self, message: bytes) -> None:
        """Raise `McpFailed` for a message with too many values: the SDK makes an error of several kB of each."""
        # spec: linear-work
        try:
            check_json(message, self._bounds)
        except ApiError:
            raise McpFailed(_TOO_MANY.format(self._bounds.json_values_max), code=CODE) from None


_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"content-encoding"))


def _failed(exchange: Exchange, message: str) -> HttpResponse:
    """A reply in place of one that cannot be used. The SDK takes its error for the call's."""
    exchange.failure = exchange.failure or McpFailed(message, code=CODE)
    exchange.status = None
    exchange.end_soon()
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": CODE, "message": message}}
    return HttpResponse(_BAD_GATEWAY, json=error)
