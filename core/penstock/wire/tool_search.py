"""The tool search family: the search for deferred tools, its results, and calls of tools from a program.

It knows the JSON of OpenAI's `ToolSearchTool`, `ResponseToolSearchCall` and `ResponseToolSearchOutputItem`. Arguments
stay undecoded. It never searches.
"""

from typing import ClassVar, Literal, Self, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock import wire

from ._base import UNSET, Item, ItemStatus, Tool, UnsetType

Execution: TypeAlias = Literal["server", "client"]


class ToolSearchTool(Tool, kw_only=True, tag="tool_search"):
    """The model searches for deferred tools, which its prompt does not contain."""

    execution: Execution | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    parameters: msgspec.Raw | UnsetType = UNSET


class ToolSearchCall(Item, kw_only=True, tag="tool_search_call"):
    """A search. It has a `call_id` where the client is to run it."""

    id_prefix: ClassVar[str] = "tsc_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    execution: Execution | None | UnsetType = UNSET
    arguments: msgspec.Raw
    created_by: str | None | UnsetType = UNSET

    def long_form(self) -> Self:
        """The item with `execution`: a search with a `call_id` is the client's."""
        return replace(self, execution=self.execution or _execution(self.call_id))


class ToolSearchOutput(Item, kw_only=True, tag="tool_search_output"):
    """The tools that a search found. The model may call them from this item on."""

    id_prefix: ClassVar[str] = "tso_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    execution: Execution | None | UnsetType = UNSET
    tools: "list[wire.Tool]"
    created_by: str | None | UnsetType = UNSET

    def long_form(self) -> Self:
        """The item with `execution`: the output of a search with a `call_id` is the client's."""
        return replace(self, execution=self.execution or _execution(self.call_id))


def _execution(call_id: str | None | UnsetType) -> Execution:
    return "client" if call_id else "server"


class ProgrammaticToolCallingTool(Tool, kw_only=True, tag="programmatic_tool_calling"):
    """The model writes a program that calls tools."""
