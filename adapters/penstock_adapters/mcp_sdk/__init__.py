"""The driver of MCP servers, on the official SDK. The SDK takes half a second to import: its first use does that.

It needs the extra `mcp`. The import happens in a thread, while the event loop serves other requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from penstock.egress import Egress
from penstock.limits import Limits
from penstock.tools.mcp.client import CallResult, McpClient, Server, ToolList

__all__ = ["SdkClient"]


class SdkClient:
    """The `McpClient` that imports the SDK at its first use."""

    def __init__(self, limits: Limits, egress: Egress) -> None:
        self._limits = limits
        self._egress = egress
        self._loading: asyncio.Task[McpClient] | None = None

    async def list_tools(self, server: Server, *, tools_max: int) -> ToolList:
        """The tools of a server."""
        driver = await self._driver()
        return await driver.list_tools(server, tools_max=tools_max)

    async def call_tool(
        self, server: Server, name: str, arguments: Mapping[str, object], *, timeout_s: float
    ) -> CallResult:
        """Call a tool."""
        driver = await self._driver()
        return await driver.call_tool(server, name, arguments, timeout_s=timeout_s)

    async def aclose(self) -> None:
        """End all sessions."""
        loading, self._loading = self._loading, None
        if loading is not None:
            await (await loading).aclose()

    async def _driver(self) -> McpClient:
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        return await asyncio.shield(self._loading)

    async def _load(self) -> McpClient:
        return await asyncio.to_thread(self._make)

    def _make(self) -> McpClient:
        from penstock_adapters.mcp_sdk.driver import SdkDriver

        return SdkDriver(self._limits, self._egress)
