"""The MCP family: the hosted tool that reaches a remote MCP server, its calls, lists and approvals, and their events.

It knows where the secrets of such a tool stand, so that `penstock.engine.planning.plan` keeps them out of every echo.
What a server says of its tools and its errors stays the bytes that were sent.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from ._base import UNSET, Fold, Item, ItemEvent, Tool, UnsetType, append, nothing, settle, status


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


class McpCall(Item, kw_only=True, tag="mcp_call"):
    """A call of an MCP server's tool, and what it gave back. `arguments` is JSON as the model wrote it."""

    id_prefix: ClassVar[str] = "mcp_"

    id: str | None | UnsetType = UNSET
    status: Literal["in_progress", "completed", "incomplete", "calling", "failed"] | None | UnsetType = UNSET
    server_label: str
    name: str
    arguments: str
    output: str | None | UnsetType = UNSET
    error: msgspec.Raw | UnsetType = UNSET
    approval_request_id: str | None | UnsetType = UNSET


class McpListTools(Item, kw_only=True, tag="mcp_list_tools"):
    """The tools that an MCP server has, or why it did not say."""

    id_prefix: ClassVar[str] = "mcpl_"

    id: str | None | UnsetType = UNSET
    server_label: str
    tools: msgspec.Raw
    error: msgspec.Raw | UnsetType = UNSET


class McpApprovalRequest(Item, kw_only=True, tag="mcp_approval_request"):
    """A call that waits for the client's consent."""

    id_prefix: ClassVar[str] = "mcpr_"

    id: str | None | UnsetType = UNSET
    server_label: str
    name: str
    arguments: str


class McpApprovalResponse(Item, kw_only=True, tag="mcp_approval_response"):
    """The client's answer to the request of that id."""

    id_prefix: ClassVar[str] = "mcpa_"

    id: str | None | UnsetType = UNSET
    approval_request_id: str
    approve: bool
    reason: str | None | UnsetType = UNSET


class McpCallInProgress(ItemEvent, kw_only=True, tag="response.mcp_call.in_progress"):
    """The call begins."""

    fold: ClassVar[Fold] = status("in_progress")


class McpCallArgumentsDelta(ItemEvent, kw_only=True, tag="response.mcp_call_arguments.delta"):
    """A piece of the call's arguments."""

    fold: ClassVar[Fold] = append("arguments")

    delta: str
    obfuscation: str | UnsetType = UNSET


class McpCallArgumentsDone(ItemEvent, kw_only=True, tag="response.mcp_call_arguments.done"):
    """The call's arguments are whole."""

    fold: ClassVar[Fold] = settle("arguments")

    arguments: str


class McpCallCompleted(ItemEvent, kw_only=True, tag="response.mcp_call.completed"):
    """The server has answered."""

    fold: ClassVar[Fold] = status("completed")


class McpCallFailed(ItemEvent, kw_only=True, tag="response.mcp_call.failed"):
    """The call came to nothing."""

    fold: ClassVar[Fold] = status("failed")


class McpListToolsInProgress(ItemEvent, kw_only=True, tag="response.mcp_list_tools.in_progress"):
    """The server is being asked for its tools."""

    fold: ClassVar[Fold] = nothing()


class McpListToolsCompleted(ItemEvent, kw_only=True, tag="response.mcp_list_tools.completed"):
    """The server has told its tools."""

    fold: ClassVar[Fold] = nothing()


class McpListToolsFailed(ItemEvent, kw_only=True, tag="response.mcp_list_tools.failed"):
    """The server did not tell its tools."""

    fold: ClassVar[Fold] = nothing()
