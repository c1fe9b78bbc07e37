"""The MCP family: the hosted tool that reaches a remote MCP server.

It knows where the secrets of such a tool stand, so that `penstock.engine.plan` can keep them out of every echo.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ._base import UNSET, Tool, UnsetType


class McpTool(Tool, kw_only=True, tag="mcp"):
    """The server calls an MCP server's tools for the model. `authorization` and the values of `headers` are secrets."""

    server_label: str
    server_url: str | None | UnsetType = UNSET
    server_description: str | None | UnsetType = UNSET
    connector_id: str | None | UnsetType = UNSET
    tunnel_id: str | None | UnsetType = UNSET
    authorization: str | None | UnsetType = UNSET
    headers: dict[str, str] | None | UnsetType = UNSET
    allowed_tools: msgspec.Raw | UnsetType = UNSET
    require_approval: msgspec.Raw | UnsetType = UNSET
    defer_loading: bool | None | UnsetType = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET
