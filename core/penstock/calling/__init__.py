"""Tool families as function calls: what a chat model is offered, what its calls become, how history reads.

One file a family, and here the explicit register by the family's classes. A family without an entry is not for chat
models to call. Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from penstock.wire import (
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
    Item,
    LocalShellCall,
    LocalShellCallOutput,
    LocalShellTool,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    Program,
    ProgramOutput,
    ShellCall,
    ShellCallOutput,
    ShellTool,
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
    program,
    shell,
    web_search,
)
from ._base import ActionForm, Call, CallForm, Form, Offer, Output, is_json

Offers: TypeAlias = Iterator[tuple[Offer, Form]]

OFFERS: dict[type[Any], Callable[[Any], Offers | None]] = {
    FunctionTool: function_call.offers,
    CustomTool: custom_tool.offers,
    LocalShellTool: local_shell.offers,
    ShellTool: shell.offers,
    ApplyPatchTool: apply_patch.offers,
    ComputerTool: computer.offers,
    ComputerUsePreviewTool: computer.preview_offers,
}
"""What a tool is offered as; None where the tool's own settings say that the client does not run it."""
CALLS: dict[type[Item], Callable[[Any], Call]] = {
    FunctionCall: function_call.call,
    CustomToolCall: custom_tool.call,
    LocalShellCall: local_shell.call,
    ShellCall: shell.call,
    ApplyPatchCall: apply_patch.call,
    ComputerCall: computer.call,
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
    WebSearchCall: web_search.output,
    FileSearchCall: file_search.output,
    CodeInterpreterCall: code_interpreter.output,
    ImageGenerationCall: image_generation.output,
    McpCall: mcp.output,
    ProgramOutput: program.output,
}
WISHES: frozenset[type[Item]] = frozenset({ConfigurationUpdate, McpApprovalResponse})
"""Items that ask the server for something, and say nothing to a model."""
SILENT: frozenset[type[Item]] = WISHES | {McpListTools, McpApprovalRequest, UnknownItem}
"""Items that say nothing to a model: no message is written for them. What that loses, the client was told."""

__all__ = [
    "CALLS",
    "OFFERS",
    "OUTPUTS",
    "SILENT",
    "WISHES",
    "ActionForm",
    "Call",
    "CallForm",
    "Form",
    "Offer",
    "Offers",
    "Output",
    "is_json",
]
