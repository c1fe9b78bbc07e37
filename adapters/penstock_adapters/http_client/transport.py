"""The transport to one upstream: it writes requests, sends them on a connection of the pool, and returns the replies.

A request on a reused connection may meet an upstream that has just closed the connection, as servers do with idle ones.
It is then sent once more, on a new connection. RFC 9112, section 9.3.1, and RFC 9110, section 9.2.2, allow that for
idempotent methods, and for others only if the client knows that the request was not processed. A POST to a model is not
idempotent, but being processed twice only costs time; it is sent again only if the connection had served a request
before, no byte of a reply arrived, and the connection ended within a second. No other failure is repeated here.
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
        self._pool = Pool(Connector(address, context, limits.connect_s, destination.egress), limit, limits)

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
        """Close every connection."""
        await self._pool.aclose()

    async def _ask(self, pieces: list[bytes]) -> IncomingReply:
        connection = self._pool.take_unused() or await self._pool.take()
        reply = connection.ask(pieces)
        try:
            while not reply.has_head and reply.fault is None:
                await reply.change()
        except BaseException:
            reply.drop()
            raise
        return reply
