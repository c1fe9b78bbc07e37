"""The tool search family: finding deferred tools, and calling tools from a program.

It knows the tools' settings only.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ._base import UNSET, Tool, UnsetType


class ToolSearchTool(Tool, kw_only=True, tag="tool_search"):
    """The model searches for tools that were not shown to it."""

    execution: Literal["server", "client"] | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    parameters: msgspec.Raw | UnsetType = UNSET


class ProgrammaticToolCallingTool(Tool, kw_only=True, tag="programmatic_tool_calling"):
    """The model writes a program that calls tools."""
