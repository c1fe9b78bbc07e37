"""The definition of a tool: as an `mcp_list_tools` item shows it, as a function for the model, and whether it changed.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.ids import NewId
from penstock.json_codec import encode
from penstock.ports import HostedFunction
from penstock.tool_calls import FunctionDefinition
from penstock.tool_calls.mcp import function_name
from penstock.wire import NULL, McpListTools, McpTool

from .client import RemoteTool

_NO_TOOLS = msgspec.Raw(b"[]")


class _Annotations(msgspec.Struct, kw_only=True):
    read_only: bool | None = None


class _ItemTool(msgspec.Struct, kw_only=True):
    """A tool in the item. The fields are those of OpenAI, in its order."""

    annotations: _Annotations | None = None
    description: str | None = None
    input_schema: msgspec.Raw
    name: str


def item_tools(tools: Sequence[RemoteTool]) -> msgspec.Raw:
    """The tools as the item shows them."""
    written = [
        _ItemTool(
            annotations=_Annotations(read_only=tool.read_only),
            description=tool.description,
            input_schema=tool.input_schema,
            name=tool.name,
        )
        for tool in tools
    ]
    return msgspec.Raw(encode(written))


def new_list(new_id: NewId, label: str) -> McpListTools:
    """The item of a list that begins."""
    item_id = new_id(McpListTools.id_prefix)
    return McpListTools(id=item_id, server_label=label, tools=_NO_TOOLS, error=NULL)


def listed(item: McpListTools) -> list[RemoteTool] | None:
    """The tools of an item of the context. None where it has an error, or tools of another form."""
    if item.error and item.error != NULL:
        return None
    try:
        tools = msgspec.json.decode(item.tools, type=list[_ItemTool])
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return [
        RemoteTool(
            name=tool.name,
            description=tool.description,
            input_schema=tool.input_schema,
            read_only=bool(tool.annotations and tool.annotations.read_only),
        )
        for tool in tools
    ]


def function(tool: McpTool, remote: RemoteTool, about: str = "") -> HostedFunction:
    """The function of a tool, for the model. Its schema is the server's own. `about` describes the whole server."""
    described = [remote.description or "", about and f"About the tools of {tool.server_label}: {about}"]
    definition = FunctionDefinition(
        name=function_name(tool.server_label, remote.name),
        description="\n\n".join(filter(None, described)) or None,
        parameters=remote.input_schema,
    )
    return HostedFunction(definition=definition, tool=tool, name=remote.name)


def has_changed(known: RemoteTool, now: RemoteTool) -> bool:
    """Whether a tool is another one than the one that was listed: its text, its schema or its hints differ."""
    if (known.description or "", known.read_only) != (now.description or "", now.read_only):
        return True
    return bool(msgspec.json.decode(known.input_schema) != msgspec.json.decode(now.input_schema))
