"""Tool families as function calls: the functions that a chat model gets, its calls, and the calls of the history.

There is one file for each family, and here are the tables by the families' classes. Chat models cannot call a family
without an entry. Everything here is pure.
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
    _base,
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
from ._base import (
    ActionCallFormat,
    Call,
    CallFormat,
    Declared,
    FunctionDefinition,
    Output,
    TextCallFormat,
    decoded,
    is_json,
    is_present,
    read_arguments,
)

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
"""The functions that a tool becomes. None where, by the tool's settings, the client does not run it."""
GROUPS: dict[type[Any], Callable[[Any], Iterator[Declared]]] = {
    # spec: namespaces
    NamespaceTool: namespace.members,
}
"""The tools in a group, which is no tool itself."""
TOOL_CARRYING_ITEMS: dict[type[Item], bool] = {
    # spec: namespaces
    AdditionalTools: False,
    ToolSearchOutput: True,
}
"""Items whose `tools` the model may call from there on, and whether deferred tools are among those."""
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
"""Reads a call of the history. An item whose class is in `OUTPUTS` too is a call with its output."""
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
"""Reads the output of a call of the history."""
HOSTED_CALLS: frozenset[type[Item]] = frozenset(OUTPUTS.keys() & CALLS.keys())
"""Calls that a server runs: their items contain the output too, or a part of it."""
OUTPUTS.update({kind: _base.with_reply(OUTPUTS[kind]) for kind in HOSTED_CALLS})
UNSUPPORTED_DIRECTIVES: frozenset[type[Item]] = frozenset({ConfigurationUpdate, McpApprovalResponse})
"""Items that are instructions for the server, and not for a model."""
WITHOUT_MESSAGE: frozenset[type[Item]] = UNSUPPORTED_DIRECTIVES | {
    AdditionalTools,
    McpListTools,
    McpApprovalRequest,
    UnknownItem,
}
"""Items that a chat model gets no message for. A header names those that are ignored."""
ANSWERS: frozenset[type[Item]] = frozenset({McpApprovalResponse})
"""Items by which a user answers what the model did: the model's turn before them has ended."""
READ_AS: dict[type[Item], Callable[[Any], InputItem]] = {
    ToolSearchCall: tool_search.readable,
    ToolSearchOutput: tool_search.readable,
}
"""For items that may have to be left out: the item that a model gets in place of each."""

__all__ = [
    "ANSWERS",
    "CALLS",
    "GROUPS",
    "HOSTED_CALLS",
    "OFFERS",
    "OUTPUTS",
    "READ_AS",
    "TOOL_CARRYING_ITEMS",
    "UNSUPPORTED_DIRECTIVES",
    "WITHOUT_MESSAGE",
    "ActionCallFormat",
    "Call",
    "CallFormat",
    "Declared",
    "FunctionDefinition",
    "Offers",
    "Output",
    "TextCallFormat",
    "decoded",
    "is_json",
    "is_present",
    "read_arguments",
]
