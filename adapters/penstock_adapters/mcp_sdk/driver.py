"""Calls of servers by the official SDK of MCP. This module and those that it imports need the extra `mcp`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import anyio._backends._asyncio  # noqa: F401 - these three are what the SDK imports with its first call
import httpcore2  # noqa: F401
import jsonschema.validators  # type: ignore[import-untyped]  # noqa: F401
from mcp.shared.exceptions import MCPError

from penstock.egress import Egress
from penstock.limits import Limits
from penstock.tools.mcp.client import CallResult, McpFailed, RemoteTool, Server, ToolList

from .exchange import CURRENT, Exchange
from .log_filter import drop_logs
from .results import call_result, failure, tool, tool_list
from .session_opener import Opener, tls_context
from .sessions import Session, SessionPool

T = TypeVar("T")

_GONE = 404
"""The status of a session that the server does not know any more. It has not run the call then."""
_PAGES_MAX = 100
"""The pages of one list."""


class SdkDriver:
    """Lists and calls tools, in sessions that several responses use. It may be made in a thread: that takes a while."""

    def __init__(self, limits: Limits, egress: Egress) -> None:
        tls_context()
        drop_logs()
        self._list_bytes_max = limits.mcp_body_bytes_max
        self._pool = SessionPool(Opener(egress, limits), limits)

    async def list_tools(self, server: Server, *, tools_max: int) -> ToolList:
        """The tools of a server, of all pages, which are together bounded as one body is."""

        async def ask(client: Any) -> ToolList:
            first = page = await client.list_tools()
            tools: list[RemoteTool] = [tool(each) for each in page.tools]
            for _ in range(_PAGES_MAX):
                if page.next_cursor is None or len(tools) >= tools_max:
                    break
                if sum(each.size for each in tools) > self._list_bytes_max:
                    raise McpFailed(f"The server's list is longer than {self._list_bytes_max} bytes.")
                page = await client.list_tools(cursor=page.next_cursor)
                tools += map(tool, page.tools)
            return tool_list(tools[:tools_max], first, client.protocol_version)

        return await self._asked(server, ask, may_repeat=True)

    async def call_tool(
        self, server: Server, name: str, arguments: Mapping[str, object], *, timeout_s: float
    ) -> CallResult:
        """Call a tool."""

        async def ask(client: Any) -> CallResult:
            return call_result(await client.call_tool(name, dict(arguments), read_timeout_seconds=timeout_s))

        return await self._asked(server, ask, may_repeat=False)

    async def aclose(self) -> None:
        """End all sessions."""
        await self._pool.aclose()

    async def _asked(self, server: Server, ask: Callable[[Any], Awaitable[T]], *, may_repeat: bool) -> T:
        """What a server answers. In a new session, a second time, where the first had ended before it was asked."""
        try:
            return await self._once(server, ask)
        except _SessionLost as lost:
            if not (may_repeat or lost.was_not_run):
                raise lost.failed from None
        try:
            return await self._once(server, ask)
        except _SessionLost as lost:
            raise lost.failed from None

    async def _once(self, server: Server, ask: Callable[[Any], Awaitable[T]]) -> T:
        async with self._pool.use(server) as session:
            client = await session.client()
            exchange = Exchange()
            token = CURRENT.set(exchange)
            try:
                async with asyncio.timeout(None) as exchange.scope:
                    return await ask(client)
            except (MCPError, TimeoutError, RuntimeError, ValueError) as error:
                failed = failure(error, exchange)
                self._check_session(session, exchange, failed)
                raise failed from None
            finally:
                exchange.scope = None
                CURRENT.reset(token)

    def _check_session(self, session: Session, exchange: Exchange, failed: McpFailed) -> None:
        """Raise `_SessionLost` where the session has ended, so that no other call uses it."""
        is_unknown = exchange.status == _GONE
        never_sent = exchange.failure is not None and not exchange.was_sent
        if is_unknown or never_sent or session.is_retired:
            session.retire()
            raise _SessionLost(failed, was_not_run=is_unknown or never_sent)


class _SessionLost(Exception):
    """The session has ended. `was_not_run`: the server has certainly not run the call."""

    def __init__(self, failed: McpFailed, *, was_not_run: bool) -> None:
        super().__init__()
        self.failed = failed
        self.was_not_run = was_not_run
