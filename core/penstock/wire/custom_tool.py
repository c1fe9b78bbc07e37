"""The custom tool family: a tool whose input is free text, or text of a grammar that the client gives.

It knows OpenAI's `CustomTool`, `ResponseCustomToolCall` and their events. It never validates an input by its grammar.
"""

from typing import ClassVar, Literal, TypeAlias

import msgspec

from penstock import wire

from ._base import UNSET, Event, Fold, Item, ItemStatus, Tool, UnsetType, Wire, append, settle
from .function_call import FunctionName


class TextInput(Wire, kw_only=True, tag_field="type", tag="text"):
    """The input is any text."""


class GrammarInput(Wire, kw_only=True, tag_field="type", tag="grammar"):
    """The input is a text of a grammar."""

    syntax: Literal["lark", "regex"]
    definition: str


CustomToolInputFormat: TypeAlias = TextInput | GrammarInput


class CustomTool(Tool, kw_only=True, tag="custom"):
    """A tool that the client runs, with a text as its input."""

    name: FunctionName
    description: str | None | UnsetType = UNSET
    format: CustomToolInputFormat | None | UnsetType = UNSET
    defer_loading: bool | None | UnsetType = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET
    async_: bool | None | UnsetType = msgspec.field(default=UNSET, name="async")


class CustomToolCall(Item, kw_only=True, tag="custom_tool_call"):
    """A call of a custom tool."""

    id_prefix: ClassVar[str] = "ctc_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str
    name: str
    input: str
    namespace: str | None | UnsetType = UNSET
    caller: msgspec.Raw | UnsetType = UNSET
    async_: bool | None | UnsetType = msgspec.field(default=UNSET, name="async")
    created_by: str | None | UnsetType = UNSET


class CustomToolCallOutput(Item, kw_only=True, tag="custom_tool_call_output"):
    """The output of a call: a string, or parts with images and files."""

    id_prefix: ClassVar[str] = "ctco_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str
    output: "str | list[wire.ContentPart]"
    caller: msgspec.Raw | UnsetType = UNSET
    created_by: str | None | UnsetType = UNSET


class CustomToolCallInputDelta(Event, kw_only=True, tag="response.custom_tool_call_input.delta"):
    """A piece of a call's input."""

    fold: ClassVar[Fold] = append("input")

    item_id: str
    output_index: int
    delta: str
    obfuscation: str | UnsetType = UNSET


class CustomToolCallInputDone(Event, kw_only=True, tag="response.custom_tool_call_input.done"):
    """A call's input is complete."""

    fold: ClassVar[Fold] = settle("input")

    item_id: str
    output_index: int
    input: str
