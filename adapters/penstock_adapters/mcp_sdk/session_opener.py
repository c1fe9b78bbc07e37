"""How a session with a server begins: by Streamable HTTP, by the older HTTP with SSE, or as a program."""

from __future__ import annotations

import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation

from penstock.egress import Egress
from penstock.limits import Limits
from penstock.tools.mcp.client import LocalServer, RemoteServer, Server
from penstock.version import VERSION

from .exchange import CURRENT, Exchange
from .results import failure
from .transport import GuardedTransport
from .watched_transport import WatchedTransport

_OLDER = frozenset({400, 404, 405, 406, 415, 501})
"""Statuses of a server that has only HTTP with SSE, to a request of the newer transport."""


class Opener:
    """Opens sessions. `on_closed` of `open` is called when the server has ended one."""

    def __init__(self, egress: Egress, limits: Limits) -> None:
        self._egress = egress
        self._limits = limits

    @asynccontextmanager
    async def open(self, server: Server, on_closed: Callable[[], None]) -> AsyncIterator[Client]:
        """A session. Raises `McpFailed`."""
        exchange = Exchange()
        CURRENT.set(exchange)
        ways = [self._program] if isinstance(server, LocalServer) else [self._http, self._sse]
        for way in ways:
            opened = WatchedTransport(way(server), on_closed)
            client = Client(
                opened, cache=None, client_info=_client_info(), read_timeout_seconds=self._limits.mcp_list_s
            )
            try:
                await client.__aenter__()
            except Exception as error:
                if way == ways[-1] or exchange.failure is not None or exchange.status not in _OLDER:
                    raise failure(error, exchange) from None
                exchange.status = None
                continue
            opened.has_begun = True
            try:
                yield client
            finally:
                await client.__aexit__(None, None, None)
            return

    @asynccontextmanager
    async def _http(self, server: Any) -> AsyncIterator[Any]:
        async with (
            self._client(server) as client,
            streamable_http_client(
                server.target.url, http_client=client, max_sse_event_size=self._limits.mcp_body_bytes_max
            ) as streams,
        ):
            yield streams

    @asynccontextmanager
    async def _sse(self, server: Any) -> AsyncIterator[Any]:
        def make(headers: object = None, timeout: object = None, auth: object = None) -> httpx2.AsyncClient:
            return self._client(server)

        async with sse_client(server.target.url, httpx_client_factory=make) as streams:
            yield streams

    @asynccontextmanager
    async def _program(self, server: Any) -> AsyncIterator[Any]:
        environment = {name: value.reveal() for name, value in server.env}
        program = StdioServerParameters(command=server.command, args=list(server.args), env=environment)
        async with stdio_client(program, errlog=sys.__stderr__ or sys.stderr) as streams:
            yield streams

    def _client(self, server: RemoteServer) -> httpx2.AsyncClient:
        limits = self._limits
        return httpx2.AsyncClient(
            transport=GuardedTransport(server, self._egress, tls_context(), limits),
            timeout=httpx2.Timeout(limits.mcp_connect_s, read=limits.total_s),
            headers={"user-agent": f"penstock/{VERSION}"},
            trust_env=False,
        )


@cache
def tls_context() -> ssl.SSLContext:
    """The context of all sessions: making one takes as long as a whole session."""
    return ssl.create_default_context()


@cache
def _client_info() -> Implementation:
    return Implementation(name="penstock", version=VERSION)
