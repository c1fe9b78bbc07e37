"""The forms of `tool_choice`: which tool the model may or must call.

It knows the JSON only. `penstock.engine.planning` checks that the chosen tool is in the request.
"""

from typing import Literal, TypeAlias

from ._base import UNSET, UnsetType, Wire

ToolChoiceOptions: TypeAlias = Literal["none", "auto", "required"]


class _Choice(Wire, kw_only=True, tag_field="type", tag=""):
    """A choice that is an object."""

    @property
    def type(self) -> str:
        """The value of the `type` key: the type of the tool that is chosen."""
        return str(self.__struct_config__.tag)


class ToolChoiceFunction(_Choice, kw_only=True, tag="function"):
    """The model must call this function."""

    name: str


class ToolChoiceCustom(_Choice, kw_only=True, tag="custom"):
    """The model must call this custom tool."""

    name: str


class ToolChoiceMcp(_Choice, kw_only=True, tag="mcp"):
    """The model must call a tool of this MCP server: the named tool, if there is a name."""

    server_label: str
    name: str | None | UnsetType = UNSET


class AllowedTool(Wire, kw_only=True):
    """One tool that the model may call: by its type, and by name or server label where that type has them.

    A type of `namespace` names all tools in it. `namespace` is the namespace of a function or custom tool.
    """

    type: str
    name: str | UnsetType = UNSET
    namespace: str | UnsetType = UNSET
    server_label: str | UnsetType = UNSET


class ToolChoiceAllowed(_Choice, kw_only=True, tag="allowed_tools"):
    """The model may (`auto`) or must (`required`) call one of these tools, though `tools` lists more."""

    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


class ToolChoiceHosted(_Choice, kw_only=True, tag=""):
    """The model must call the tool of this type."""


class ToolChoiceFileSearch(ToolChoiceHosted, kw_only=True, tag="file_search"):
    """The model must search files."""


class ToolChoiceWebSearch(ToolChoiceHosted, kw_only=True, tag="web_search"):
    """The model must search the web."""


class ToolChoiceWebSearchPreview(ToolChoiceHosted, kw_only=True, tag="web_search_preview"):
    """The model must search the web, by the tool's older name."""


class ToolChoiceWebSearchPreview2025(ToolChoiceHosted, kw_only=True, tag="web_search_preview_2025_03_11"):
    """The model must search the web, by the tool's dated name."""


class ToolChoiceComputer(ToolChoiceHosted, kw_only=True, tag="computer"):
    """The model must use the computer."""


class ToolChoiceComputerUse(ToolChoiceHosted, kw_only=True, tag="computer_use"):
    """The model must use the computer, by the tool's other name."""


class ToolChoiceComputerUsePreview(ToolChoiceHosted, kw_only=True, tag="computer_use_preview"):
    """The model must use the computer, by the tool's older name."""


class ToolChoiceImageGeneration(ToolChoiceHosted, kw_only=True, tag="image_generation"):
    """The model must make an image."""


class ToolChoiceCodeInterpreter(ToolChoiceHosted, kw_only=True, tag="code_interpreter"):
    """The model must run code."""


class ToolChoiceProgrammatic(ToolChoiceHosted, kw_only=True, tag="programmatic_tool_calling"):
    """The model must write a program that calls tools."""


class ToolChoiceApplyPatch(ToolChoiceHosted, kw_only=True, tag="apply_patch"):
    """The model must patch files."""


class ToolChoiceShell(ToolChoiceHosted, kw_only=True, tag="shell"):
    """The model must use the shell."""


ToolChoiceObject: TypeAlias = (
    ToolChoiceFunction
    | ToolChoiceCustom
    | ToolChoiceMcp
    | ToolChoiceAllowed
    | ToolChoiceFileSearch
    | ToolChoiceWebSearch
    | ToolChoiceWebSearchPreview
    | ToolChoiceWebSearchPreview2025
    | ToolChoiceComputer
    | ToolChoiceComputerUse
    | ToolChoiceComputerUsePreview
    | ToolChoiceImageGeneration
    | ToolChoiceCodeInterpreter
    | ToolChoiceProgrammatic
    | ToolChoiceApplyPatch
    | ToolChoiceShell
)
ToolChoice: TypeAlias = ToolChoiceOptions | ToolChoiceObject
