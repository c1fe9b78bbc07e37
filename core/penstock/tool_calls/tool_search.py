"""Tool search: a chat model gets a function that searches for tools, and the client gets the search.

It knows the calls of the model and of the history, where the client searches. `penstock.engine.planning.tool_selection`
adds the tools that are found. It never searches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from penstock.wire import (
    NULL,
    UNSET,
    AdditionalTools,
    InputItem,
    NamespaceTool,
    Tool,
    ToolSearchCall,
    ToolSearchOutput,
    ToolSearchTool,
)

from ._base import ActionCallFormat, Call, Declared, FunctionDefinition, Output, read_arguments
from .namespace import function_name, members

NAME = "tool_search"
DESCRIPTION = (
    "Searches for further tools. Call it when none of the tools that you have is fit for the task: you can call what"
    " it finds from then on."
)
PARAMETERS = msgspec.Raw(
    b'{"type":"object","properties":{"query":{"type":"string","description":"What the tool should be able to do."}},'
    b'"required":["query"],"additionalProperties":false}'
)


class ToolSearchCallFormat(ActionCallFormat, frozen=True):
    """Calls of the search, as `tool_search_call` items."""

    id_prefix: ClassVar[str] = ToolSearchCall.id_prefix

    def read(self, arguments: str) -> msgspec.Raw:
        """The arguments, an object, on one line."""
        read_arguments(arguments, dict[str, msgspec.Raw])
        return msgspec.Raw(msgspec.json.format(arguments.encode(), indent=-1))

    def item(self, *, id: str, call_id: str, action: msgspec.Raw) -> ToolSearchCall:
        """The call with its arguments."""
        return ToolSearchCall(id=id, status="in_progress", call_id=call_id, execution="client", arguments=action)


def offers(tool: ToolSearchTool) -> Iterator[tuple[FunctionDefinition, ToolSearchCallFormat]]:
    """The function with the client's description. None where the server searches: then no tool is deferred."""
    if tool.execution == "client":
        parameters = PARAMETERS if tool.parameters in (UNSET, NULL) else tool.parameters
        yield (
            FunctionDefinition(name=NAME, description=tool.description or DESCRIPTION, parameters=parameters),
            ToolSearchCallFormat(),
        )


def call(item: ToolSearchCall) -> Call:
    """A search of the history."""
    return Call(call_id=item.call_id or "", name=NAME, arguments=bytes(item.arguments).decode())


def output(item: ToolSearchOutput) -> Output:
    """The tools that were found, by the names that the model can call."""
    lines = [line for tool in item.tools for line in _tool_lines(tool)]
    return Output(call_id=item.call_id or "", content="\n".join(lines) or "No tools were found.")


def _tool_lines(tool: Tool) -> Iterator[str]:
    """A line for each tool that was found, also for each tool of a namespace."""
    for declared in members(tool) if isinstance(tool, NamespaceTool) else (Declared(tool),):
        name = function_name(declared.namespace, getattr(declared.tool, "name", declared.tool.type))
        description = getattr(declared.tool, "description", None)
        yield f"- {name}: {description}" if description else f"- {name}"


def readable(item: ToolSearchCall | ToolSearchOutput) -> InputItem:
    """The item, or an item that is left out where another server searched: its model made no call."""
    return item if item.call_id else AdditionalTools(role="developer", tools=[])
