"""The transport to one upstream: requests are written, sent on a connection of the pool, and their replies given out.

A request on a kept connection may meet an upstream that has just closed that connection, as servers do with those that
are not used for a while. It is then sent once more, on a new connection. RFC 9112, section 9.3.1, and RFC 9110, section
9.2.2, allow that for idempotent methods, and for others only where the client can tell that the request was not acted
on. A POST to a model is not idempotent, but costs time and nothing else when it is answered twice; it is sent again
only where the connection had served a request before, not one byte of a reply came, and the end of the connection came
within a second. Whatever fails in any other way is not sent again here.
"""

from __future__ import annotations

from penstock.engine.upstreams.connection_limit import ConnectionLimit
from penstock.limits import Limits
from penstock.ports import Destination, HttpReply, HttpRequest
from penstock_adapters.tls import client_context

from .addresses import address_of
from .connecting import Connector
from .decoding import decoded
from .pool import Pool
from .replies import IncomingReply
from .requests import RequestWriter


class HttpTransport:
    """One upstream over HTTP/1.1. Raises `SettingsError` for certificates that cannot be read."""

    def __init__(self, destination: Destination, limits: Limits) -> None:
        address = address_of(destination.url)
        context = client_context(destination) if address.is_secure else None
        self._writer = RequestWriter(address)
        limit = ConnectionLimit(destination.name, limits)
        self._pool = Pool(Connector(address, context, limits.connect_s), limit, limits)

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send a request and wait for the reply's head. Raises `TransportError`."""
        pieces = self._writer.write(request)
        reply = await self._ask(pieces)
        # spec: stale-connections
        if reply.is_stale:
            self._pool.drop_idle()
            reply = await self._ask(pieces)
        if reply.fault is not None and not reply.has_head:
            raise reply.fault.error()
        coding = reply.headers.get("content-encoding")
        return reply if coding is None else decoded(reply, coding)

    async def aclose(self) -> None:
        """End every connection."""
        await self._pool.aclose()

    async def _ask(self, pieces: list[bytes]) -> IncomingReply:
        connection = self._pool.take_unused() or await self._pool.take()
        reply = connection.ask(pieces)
        await reply.head()
        return reply
