"""Making connections: by address, by name, or to a Unix socket, with TLS for https.

It knows the time limit of a connection, and for how long the addresses of a name are used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeAlias

from penstock.egress import Egress
from penstock.engine.loops import LoopLock
from penstock.ports import NoFreeConnection
from penstock_adapters.fault_texts import NO_FILES, lacks_files
from penstock_adapters.name_lookup import look_up

from .addresses import Address
from .connection import Connection
from .faults import connecting_failed
from .happy_eyeballs import Endpoint, first_connected, interleaved

_LOOKUP_FRESH_S = 10.0
"""How many seconds the addresses of a name are used before they are looked up again."""

MakeConnection: TypeAlias = Callable[[], Connection]


class Connector:
    """Connects to one upstream."""

    def __init__(
        self, address: Address, context: ssl.SSLContext | None, connect_s: float, egress: Egress | None = None
    ) -> None:
        self._address = address
        self._egress = egress
        self._tls: dict[str, Any] = {"ssl": context, "server_hostname": address.host} if context else {}
        self._connect_s = connect_s
        self._lookups = LoopLock()
        self._endpoints: list[Endpoint] = _literal(address)
        self._is_literal = bool(self._endpoints)
        self._looked_up_at = float("-inf")

    async def connect(self, make: MakeConnection) -> Connection:
        """A new connection. Raises `TransportError`."""
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._connect(make)
        except OSError as error:
            # spec: no-room-for-connections
            if lacks_files(error):
                raise NoFreeConnection(NO_FILES) from None
            self._looked_up_at = float("-inf")
            fault = connecting_failed(error)
        raise fault.error()

    async def _connect(self, make: MakeConnection) -> Connection:
        loop = asyncio.get_running_loop()
        if self._address.socket_path:
            _, connection = await loop.create_unix_connection(make, self._address.socket_path)
            return connection
        reached = await first_connected(loop, self._admitted(await self._lookup(loop)))
        _, connection = await loop.create_connection(make, sock=reached, **self._tls)
        return connection

    def _admitted(self, endpoints: list[Endpoint]) -> list[Endpoint]:
        """The endpoints that may be called. These very addresses are connected: the name is not looked up again."""
        if self._egress is None:
            return endpoints
        host, port = self._address.host, self._address.port
        # spec: egress
        admitted = self._egress.admitted(host, port, [address[0] for _, address in endpoints])
        return [endpoint for endpoint in endpoints if endpoint[1][0] in admitted]

    async def _lookup(self, loop: asyncio.AbstractEventLoop) -> list[Endpoint]:
        """The addresses of the host. Of several callers at a time, one looks them up."""
        if self._is_literal:
            return self._endpoints
        async with self._lookups:
            if loop.time() - self._looked_up_at > _LOOKUP_FRESH_S:
                host, port = self._address.host, self._address.port
                is_ours = self._egress is None
                found = await (
                    loop.getaddrinfo(host, port, type=socket.SOCK_STREAM) if is_ours else look_up(host, port)
                )
                self._endpoints = interleaved([(family, address) for family, _, _, _, address in found])
                self._looked_up_at = loop.time()
            return self._endpoints


def _literal(address: Address) -> list[Endpoint]:
    """The endpoint of a host that is an IP address."""
    try:
        version = ipaddress.ip_address(address.host).version
    except ValueError:
        return []
    return [(socket.AF_INET6 if version == 6 else socket.AF_INET, (address.host, address.port))]
