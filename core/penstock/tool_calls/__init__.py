"""Tool families as function calls: what a chat model is offered, what its calls become, how history reads.

One file a family, and here the explicit register by the family's classes. A family without an entry is not for chat
models to call. Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from penstock.wire import (
    AdditionalTools,
    ApplyPatchCall,
    ApplyPatchCallOutput,
    ApplyPatchTool,
    CodeInterpreterCall,
    ComputerCall,
    ComputerCallOutput,
    ComputerTool,
    ComputerUsePreviewTool,
    ConfigurationUpdate,
    CustomTool,
    CustomToolCall,
    CustomToolCallOutput,
    FileSearchCall,
    FunctionCall,
    FunctionCallOutput,
    FunctionTool,
    ImageGenerationCall,
    InputItem,
    Item,
    LocalShellCall,
    LocalShellCallOutput,
    LocalShellTool,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    NamespaceTool,
    Program,
    ProgramOutput,
    ShellCall,
    ShellCallOutput,
    ShellTool,
    ToolSearchCall,
    ToolSearchOutput,
    ToolSearchTool,
    UnknownItem,
    WebSearchCall,
)

from . import (
    apply_patch,
    code_interpreter,
    computer,
    custom_tool,
    file_search,
    function_call,
    image_generation,
    local_shell,
    mcp,
    namespace,
    program,
    shell,
    tool_search,
    web_search,
)
from ._base import ActionForm, Call, CallForm, CallFormat, Declared, FunctionDefinition, Output, is_json

Offers: TypeAlias = Iterator[tuple[FunctionDefinition, CallFormat]]

OFFERS: dict[type[Any], Callable[[Any], Offers | None]] = {
    FunctionTool: function_call.offers,
    # spec: custom-tools
    CustomTool: custom_tool.offers,
    LocalShellTool: local_shell.offers,
    ShellTool: shell.offers,
    ApplyPatchTool: apply_patch.offers,
    ComputerTool: computer.offers,
    ComputerUsePreviewTool: computer.preview_offers,
    ToolSearchTool: tool_search.offers,
}
"""What a tool is offered as; None where the tool's own settings say that the client does not run it."""
GROUPS: dict[type[Any], Callable[[Any], Iterator[Declared]]] = {
    # spec: namespaces
    NamespaceTool: namespace.members,
}
"""What tools hold that are no tools themselves."""
TOOL_CARRYING_ITEMS: dict[type[Item], bool] = {
    # spec: namespaces
    AdditionalTools: False,
    ToolSearchOutput: True,
}
"""Items whose `tools` are offered from there on, and whether deferred ones are among those."""
CALLS: dict[type[Item], Callable[[Any], Call]] = {
    FunctionCall: function_call.call,
    CustomToolCall: custom_tool.call,
    LocalShellCall: local_shell.call,
    ShellCall: shell.call,
    ApplyPatchCall: apply_patch.call,
    ComputerCall: computer.call,
    ToolSearchCall: tool_search.call,
    WebSearchCall: web_search.call,
    FileSearchCall: file_search.call,
    CodeInterpreterCall: code_interpreter.call,
    ImageGenerationCall: image_generation.call,
    McpCall: mcp.call,
    Program: program.call,
}
"""How calls of the history read. An item whose class stands in `OUTPUTS` too is a call and its own output."""
OUTPUTS: dict[type[Item], Callable[[Any], Output]] = {
    FunctionCallOutput: function_call.output,
    CustomToolCallOutput: custom_tool.output,
    LocalShellCallOutput: local_shell.output,
    ShellCallOutput: shell.output,
    ApplyPatchCallOutput: apply_patch.output,
    ComputerCallOutput: computer.output,
    ToolSearchOutput: tool_search.output,
    WebSearchCall: web_search.output,
    FileSearchCall: file_search.output,
    CodeInterpreterCall: code_interpreter.output,
    ImageGenerationCall: image_generation.output,
    McpCall: mcp.output,
    ProgramOutput: program.output,
}
UNSUPPORTED_DIRECTIVES: frozenset[type[Item]] = frozenset({ConfigurationUpdate, McpApprovalResponse})
"""Items that ask the server for something, and say nothing to a model."""
SILENT: frozenset[type[Item]] = UNSUPPORTED_DIRECTIVES | {
    AdditionalTools,
    McpListTools,
    McpApprovalRequest,
    UnknownItem,
}
"""Items that say nothing to a model: no message is written for them. What that loses, the client was told."""
READ_AS: dict[type[Item], Callable[[Any], InputItem]] = {
    ToolSearchCall: tool_search.heard,
    ToolSearchOutput: tool_search.heard,
}
"""Items that may be of the kind that says nothing: what a model is to read in place of each."""

__all__ = [
    "CALLS",
    "GROUPS",
    "OFFERS",
    "OUTPUTS",
    "READ_AS",
    "SILENT",
    "TOOL_CARRYING_ITEMS",
    "UNSUPPORTED_DIRECTIVES",
    "ActionForm",
    "Call",
    "CallForm",
    "CallFormat",
    "Declared",
    "FunctionDefinition",
    "Offers",
    "Output",
    "is_json",
]
