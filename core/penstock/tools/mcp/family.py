"""The family of MCP: it begins the sessions of responses, and has what all of them share."""

from __future__ import annotations

import time
from collections.abc import Sequence

from penstock.egress import Egress
from penstock.errors import invalid
from penstock.ids import now_s
from penstock.limits import Limits
from penstock.ports import Marks, ToolRequest
from penstock.wire import Item, McpApprovalResponse, McpTool, Tool

from .client import McpClient
from .declared_servers import read_servers
from .list_cache import ListCache
from .lister import Lister
from .own_servers import OwnServers
from .session import McpSession
from .tool_caller import ToolCaller


class McpTools:
    """The `HostedTool` of the family. `marks` makes each approval of a stored context count once."""

    types: frozenset[type[Tool]] = frozenset({McpTool})
    answers: frozenset[type[Item]] = frozenset({McpApprovalResponse})

    def __init__(
        self,
        client: McpClient,
        limits: Limits,
        *,
        egress: Egress,
        own: OwnServers,
        marks: Marks | None = None,
        images: bool = True,
    ) -> None:
        self._client = client
        self._limits = limits
        self._egress = egress
        self._own = own
        self._marks = marks
        self._lister = Lister(client, ListCache(limits, time.monotonic), limits)
        self._caller = ToolCaller(client, limits, images=images)

    def session(self, request: ToolRequest) -> McpSession:
        """The session of a response. Raises `ApiError` 400."""
        self._check_number(request.tools)
        return McpSession(
            request,
            read_servers(request.tools, request.owner, self._own, self._egress, self._limits),
            lister=self._lister,
            caller=self._caller,
            marks=self._marks,
            limits=self._limits,
            now_s=now_s,
        )

    async def aclose(self) -> None:
        """End all sessions with servers."""
        await self._client.aclose()

    def _check_number(self, tools: Sequence[object]) -> None:
        if len(tools) > self._limits.mcp_servers_max:
            message = f"A request has at most {self._limits.mcp_servers_max} MCP servers."
            raise invalid(message, "tools", "array_above_max_length")
