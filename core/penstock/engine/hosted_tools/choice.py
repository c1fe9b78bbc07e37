"""Which functions of hosted tools a turn offers, and which of them the model must call.

The functions of remote tools are known only when the tools are listed, which is after the request was accepted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.ports import Choice, HostedFunction
from penstock.wire import McpTool, ToolChoice, ToolChoiceAllowed, ToolChoiceHosted, ToolChoiceMcp, WebSearchTool

_SYNONYMS: tuple[type[msgspec.Struct], ...] = (WebSearchTool,)
"""Classes of tools that have several names. A choice by one of the names means all of them."""


class TurnOffer(msgspec.Struct):
    """The functions that a turn offers, and the choice."""

    functions: Sequence[HostedFunction]
    choice: Choice


def first_offer(functions: Sequence[HostedFunction], asked: ToolChoice | None, choice: Choice) -> TurnOffer:
    """The offer of the first turn. `choice` is the choice as far as it is about functions of the client."""
    if isinstance(asked, ToolChoiceMcp | ToolChoiceHosted):
        chosen = [function for function in functions if _is_chosen(function, asked)]
        if isinstance(asked, ToolChoiceHosted):
            chosen = chosen[:1]  # that of the tool's name; the others need what it has found
        if not chosen:
            return TurnOffer(functions, choice)
        return TurnOffer(chosen, Choice("required", chosen[0].definition.name if len(chosen) == 1 else None))
    return TurnOffer(later_offer(functions, asked).functions, choice)


def later_offer(functions: Sequence[HostedFunction], asked: ToolChoice | None) -> TurnOffer:
    """The offer of a turn after a call: the model may then answer, whatever it had to call first."""
    if isinstance(asked, ToolChoiceAllowed):
        functions = [function for function in functions if _is_allowed(function, asked)]
    return TurnOffer(functions, Choice("none") if asked == "none" else Choice())


def _is_chosen(function: HostedFunction, asked: ToolChoiceMcp | ToolChoiceHosted) -> bool:
    tool = function.tool
    if isinstance(asked, ToolChoiceMcp):
        is_server = isinstance(tool, McpTool) and tool.server_label == asked.server_label
        return is_server and (not asked.name or asked.name == function.name)
    return is_of_type(tool, asked.type)


def _is_allowed(function: HostedFunction, asked: ToolChoiceAllowed) -> bool:
    for allowed in asked.tools:
        if not is_of_type(function.tool, allowed.type):
            continue
        label = getattr(function.tool, "server_label", msgspec.UNSET)
        if allowed.server_label in (msgspec.UNSET, label) and allowed.name in (msgspec.UNSET, function.name):
            return True
    return False


def is_of_type(tool: msgspec.Struct, type_name: str) -> bool:
    """Whether a tool has this type, by any of the names of its family."""
    if getattr(tool, "type", "") == type_name:
        return True
    return any(isinstance(tool, kind) and type_name.startswith(_tag(kind)) for kind in _SYNONYMS)


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)
