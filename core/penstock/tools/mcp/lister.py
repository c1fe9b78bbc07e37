"""Lists the tools of servers, by the cache where it is fresh."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.limits import Limits

from .client import McpClient, McpFailed, RemoteTool, Server, ToolList
from .list_cache import ListCache
from .replies import Scrubber


class Lister:
    """Lists the tools of servers, by the cache where it is fresh."""

    def __init__(self, client: McpClient, cache: ListCache, limits: Limits) -> None:
        self._client = client
        self._cache = cache
        self._limits = limits

    async def tools(self, server: Server, *, age_max_s: float | None = None) -> Sequence[RemoteTool]:
        """The tools of a server. Raises `McpFailed`, whose message contains no secret."""
        found = self._cache.fresh(server, age_max_s=age_max_s)
        if found is None:
            found = await self._ask(server)
            self._cache.store(server, found)
        return found.tools

    async def _ask(self, server: Server) -> ToolList:
        limits = self._limits
        try:
            async with asyncio.timeout(limits.mcp_list_s):
                found = await self._client.list_tools(server, tools_max=limits.mcp_tools_max)
                return await Scrubber(server).list(found)
        except TimeoutError:
            message = f"The server has not listed its tools within {limits.mcp_list_s:g} seconds."
            raise McpFailed(message) from None
        except McpFailed as failed:
            raise await Scrubber(server).failure(failed) from None
