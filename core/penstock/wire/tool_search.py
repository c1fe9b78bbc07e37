"""The tool search family: finding deferred tools, what was found, and calling tools from a program.

It knows the JSON of OpenAI's `ToolSearchTool`, `ResponseToolSearchCall` and `ResponseToolSearchOutputItem`; arguments
stay undecoded. It never searches.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock import wire

from ._base import UNSET, Item, ItemStatus, Tool, UnsetType

Execution: TypeAlias = Literal["server", "client"]


class ToolSearchTool(Tool, kw_only=True, tag="tool_search"):
    """The model searches for tools that were not shown to it."""

    execution: Execution | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    parameters: msgspec.Raw | UnsetType = UNSET


class ToolSearchCall(Item, kw_only=True, tag="tool_search_call"):
    """A search. One that the client is to run has a `call_id`."""

    id_prefix: ClassVar[str] = "tsc_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    execution: Execution | None | UnsetType = UNSET
    arguments: msgspec.Raw
    created_by: str | None | UnsetType = UNSET

    def long_form(self) -> Self:
        """`execution` is there: a search that has a `call_id` is the client's."""
        return replace(self, execution=self.execution or _execution(self.call_id))


class ToolSearchOutput(Item, kw_only=True, tag="tool_search_output"):
    """What a search found: from here on the model may call it."""

    id_prefix: ClassVar[str] = "tso_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    execution: Execution | None | UnsetType = UNSET
    tools: list[wire.Tool]
    created_by: str | None | UnsetType = UNSET

    def long_form(self) -> Self:
        """`execution` is there: the output of a search that has a `call_id` is the client's."""
        return replace(self, execution=self.execution or _execution(self.call_id))


def _execution(call_id: str | None | UnsetType) -> Execution:
    return "client" if call_id else "server"


class ProgrammaticToolCallingTool(Tool, kw_only=True, tag="programmatic_tool_calling"):
    """The model writes a program that calls tools."""
