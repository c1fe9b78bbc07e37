"""The namespace family: tools that share a prefix of their names.

It knows the grouping only.
"""

from ._base import Tool
from .custom_tool import CustomTool
from .function_call import FunctionName, FunctionTool
from .unknown import UnknownTool


class NamespaceTool(Tool, kw_only=True, tag="namespace"):
    """Functions and custom tools of one namespace."""

    name: FunctionName
    description: str
    tools: list[FunctionTool | CustomTool | UnknownTool]
