"""The function family: the tool, the call, its output, and the events of its arguments.

It knows OpenAI's `FunctionTool`, `ResponseFunctionToolCall` and `FunctionCallOutput`. A function's JSON schema stays
undecoded.
"""

from typing import Annotated, ClassVar, Literal

import msgspec

from penstock import wire

from ._base import UNSET, Event, Fold, Item, ItemStatus, Tool, UnsetType, append, null, settle

FunctionName = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class FunctionTool(Tool, kw_only=True, tag="function"):
    """A function that the client runs. `parameters` and `output_schema` are JSON schemas."""

    name: FunctionName
    description: str | None = None
    parameters: msgspec.Raw = msgspec.field(default_factory=null)
    strict: bool | None = None
    defer_loading: bool | None | UnsetType = UNSET
    output_schema: msgspec.Raw | UnsetType = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET
    async_: bool | None | UnsetType = msgspec.field(default=UNSET, name="async")


class FunctionCall(Item, kw_only=True, tag="function_call"):
    """A call of a function. `arguments` is the text that the model wrote, which may be invalid JSON."""

    id_prefix: ClassVar[str] = "fc_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str
    name: str
    arguments: str
    namespace: str | None | UnsetType = UNSET
    caller: msgspec.Raw | UnsetType = UNSET
    async_: bool | None | UnsetType = msgspec.field(default=UNSET, name="async")
    created_by: str | None | UnsetType = UNSET


class FunctionCallOutput(Item, kw_only=True, tag="function_call_output"):
    """The output of a call: a string, or parts with images and files."""

    id_prefix: ClassVar[str] = "fco_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str
    output: "str | list[wire.ContentPart]"
    name: str | None | UnsetType = UNSET
    namespace: str | None | UnsetType = UNSET
    caller: msgspec.Raw | UnsetType = UNSET
    created_by: str | None | UnsetType = UNSET


class FunctionCallArgumentsDelta(Event, kw_only=True, tag="response.function_call_arguments.delta"):
    """A piece of a call's arguments."""

    fold: ClassVar[Fold] = append("arguments")

    item_id: str
    output_index: int
    delta: str
    obfuscation: str | UnsetType = UNSET


class FunctionCallArgumentsDone(Event, kw_only=True, tag="response.function_call_arguments.done"):
    """A call's arguments are complete."""

    fold: ClassVar[Fold] = settle("arguments")

    item_id: str
    output_index: int
    name: str
    arguments: str
