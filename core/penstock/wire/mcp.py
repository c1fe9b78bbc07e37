"""The MCP family: the hosted tool for a remote MCP server, its calls, lists and approvals, and their events.

It knows which fields of such a tool are secret, so that `penstock.engine.planning.redaction` removes them. What an MCP
server sends of its tools and its errors stays undecoded.
"""

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
    """A call of an MCP server's tool, and its output. `arguments` is the text that the model wrote."""

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
    """The tools of an MCP server, or the error where it did not list them."""

    id_prefix: ClassVar[str] = "mcpl_"

    id: str | None | UnsetType = UNSET
    server_label: str
    tools: msgspec.Raw
    error: msgspec.Raw | UnsetType = UNSET


class McpApprovalRequest(Item, kw_only=True, tag="mcp_approval_request"):
    """A call that waits for the client's approval."""

    id_prefix: ClassVar[str] = "mcpr_"

    id: str | None | UnsetType = UNSET
    server_label: str
    name: str
    arguments: str


class McpApprovalResponse(Item, kw_only=True, tag="mcp_approval_response"):
    """The client's answer to an approval request."""

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
    """The call's arguments are complete."""

    fold: ClassVar[Fold] = settle("arguments")

    arguments: str


class McpCallCompleted(ItemEvent, kw_only=True, tag="response.mcp_call.completed"):
    """The MCP server has answered."""

    fold: ClassVar[Fold] = status("completed")


class McpCallFailed(ItemEvent, kw_only=True, tag="response.mcp_call.failed"):
    """The call has failed."""

    fold: ClassVar[Fold] = status("failed")


class McpListToolsInProgress(ItemEvent, kw_only=True, tag="response.mcp_list_tools.in_progress"):
    """The list of the MCP server's tools was requested."""

    fold: ClassVar[Fold] = nothing()


class McpListToolsCompleted(ItemEvent, kw_only=True, tag="response.mcp_list_tools.completed"):
    """The MCP server has listed its tools."""

    fold: ClassVar[Fold] = nothing()


class McpListToolsFailed(ItemEvent, kw_only=True, tag="response.mcp_list_tools.failed"):
    """The MCP server did not list its tools."""

    fold: ClassVar[Fold] = nothing()
