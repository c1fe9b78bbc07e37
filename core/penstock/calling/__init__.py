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
    ComputerCall,
    ComputerCallOutput,
    ComputerTool,
    ComputerUsePreviewTool,
    CustomTool,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    FunctionTool,
    Item,
    LocalShellCall,
    LocalShellCallOutput,
    LocalShellTool,
    ShellCall,
    ShellCallOutput,
    ShellTool,
)

from . import apply_patch, computer, custom_tool, function_call, local_shell, shell
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
}
OUTPUTS: dict[type[Item], Callable[[Any], Output]] = {
    FunctionCallOutput: function_call.output,
    CustomToolCallOutput: custom_tool.output,
    LocalShellCallOutput: local_shell.output,
    ShellCallOutput: shell.output,
    ApplyPatchCallOutput: apply_patch.output,
    ComputerCallOutput: computer.output,
}

__all__ = [
    "CALLS",
    "OFFERS",
    "OUTPUTS",
    "ActionForm",
    "Call",
    "CallForm",
    "Form",
    "Offer",
    "Offers",
    "Output",
    "is_json",
]
