"""The computer: a chat model gets a function of mouse and keyboard actions, and the client gets the actions.

It knows the calls of the model and of the history, of the newer and the older tool. It never sees a screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, TypeAlias

import msgspec

from penstock.wire import (
    ComputerAction,
    ComputerCall,
    ComputerCallOutput,
    ComputerTool,
    ComputerUsePreviewTool,
    ContentPart,
    InputImage,
    InputText,
)

from ._base import ActionCallFormat, Call, FunctionDefinition, Output, read_arguments, write_arguments

NAME = "computer"
PREVIEW_NAME = "computer_use_preview"
DESCRIPTION = (
    "Uses the mouse and the keyboard of the user's computer and returns a screenshot of the screen afterwards."
    " Coordinates are pixels from the upper left corner of the screenshot. Begin with the action screenshot to see"
    " the screen."
)

_Schema: TypeAlias = dict[str, object]

_PIXEL: _Schema = {"type": "integer"}
_KEYS: _Schema = {"type": "array", "items": {"type": "string"}}
_POSITION: _Schema = {"x": _PIXEL, "y": _PIXEL}
_POINT: _Schema = {"type": "object", "properties": _POSITION, "required": ["x", "y"], "additionalProperties": False}
_HELD: _Schema = {"keys": {**_KEYS, "description": "Keys to hold meanwhile."}}
_BUTTONS: _Schema = {"type": "string", "enum": ["left", "right", "wheel", "back", "forward"]}


def _action(kind: str, required: _Schema, optional: _Schema | None = None) -> _Schema:
    """The schema of one kind of action."""
    return {
        "type": "object",
        "properties": {"type": {"type": "string", "enum": [kind]}, **required, **(optional or {})},
        "required": ["type", *required],
        "additionalProperties": False,
    }


_ACTION: _Schema = {
    "anyOf": [
        _action("screenshot", {}),
        _action("click", {"button": _BUTTONS, **_POSITION}, _HELD),
        _action("double_click", _POSITION, _HELD),
        _action("drag", {"path": {"type": "array", "items": _POINT, "minItems": 2}}, _HELD),
        _action("keypress", {"keys": {**_KEYS, "minItems": 1, "description": "Keys to press together."}}),
        _action("move", _POSITION, _HELD),
        _action("scroll", {**_POSITION, "scroll_x": _PIXEL, "scroll_y": _PIXEL}, _HELD),
        _action("type", {"text": {"type": "string"}}),
        _action("wait", {}),
    ]
}


def _parameters(name: str, schema: _Schema) -> msgspec.Raw:
    return msgspec.Raw(
        msgspec.json.encode(
            {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
        )
    )


PARAMETERS = _parameters("actions", {"type": "array", "items": _ACTION, "minItems": 1})
PREVIEW_PARAMETERS = _parameters("action", _ACTION)


class _Several(msgspec.Struct, kw_only=True):
    """The arguments of the newer tool's function."""

    actions: list[ComputerAction]


class _Single(msgspec.Struct, kw_only=True):
    """The arguments of the older tool's function."""

    action: ComputerAction


def _read(arguments: str) -> list[ComputerAction]:
    """The actions in the arguments of either tool."""
    try:
        actions = read_arguments(arguments, _Several).actions
    except ValueError:
        actions = [read_arguments(arguments, _Single).action]
    if not actions:
        raise ValueError("There is no action.")
    return actions


class ComputerCallFormat(ActionCallFormat, frozen=True):
    """Calls of the newer tool, as `computer_call` items with `actions`."""

    id_prefix: ClassVar[str] = ComputerCall.id_prefix

    def read(self, arguments: str) -> list[ComputerAction]:
        """The actions."""
        return _read(arguments)

    def item(self, *, id: str, call_id: str, action: list[ComputerAction]) -> ComputerCall:
        """The call with its actions. It has no safety checks."""
        return ComputerCall(id=id, status="in_progress", call_id=call_id, actions=action, pending_safety_checks=[])


class ComputerPreviewCallFormat(ActionCallFormat, frozen=True):
    """Calls of the older tool, as `computer_call` items with one `action`."""

    id_prefix: ClassVar[str] = ComputerCall.id_prefix

    def read(self, arguments: str) -> ComputerAction:
        """The action. Clients of the older tool support only one."""
        actions = _read(arguments)
        if len(actions) > 1:
            raise ValueError("There is more than one action.")
        return actions[0]

    def item(self, *, id: str, call_id: str, action: ComputerAction) -> ComputerCall:
        """The call with its action."""
        return ComputerCall(id=id, status="in_progress", call_id=call_id, action=action, pending_safety_checks=[])


def offers(tool: ComputerTool) -> Iterator[tuple[FunctionDefinition, ComputerCallFormat]]:
    """The function for several actions."""
    yield FunctionDefinition(name=NAME, description=DESCRIPTION, parameters=PARAMETERS), ComputerCallFormat()


def preview_offers(tool: ComputerUsePreviewTool) -> Iterator[tuple[FunctionDefinition, ComputerPreviewCallFormat]]:
    """The function for one action. Its description contains the size of the screen."""
    screen = f" The screen is {tool.display_width} pixels wide and {tool.display_height} high ({tool.environment})."
    yield (
        FunctionDefinition(name=PREVIEW_NAME, description=DESCRIPTION + screen, parameters=PREVIEW_PARAMETERS),
        ComputerPreviewCallFormat(),
    )


def call(item: ComputerCall) -> Call:
    """A call of the history, of either tool."""
    if item.action:
        return Call(call_id=item.call_id, name=PREVIEW_NAME, arguments=write_arguments(_Single(action=item.action)))
    return Call(call_id=item.call_id, name=NAME, arguments=write_arguments(_Several(actions=item.actions or [])))


def output(item: ComputerCallOutput) -> Output:
    """An output of the history: the safety checks that the user has acknowledged, and the screenshot."""
    screenshot = item.output
    acknowledged: list[ContentPart] = [
        InputText(text=f"The user has dispelled a doubt: {check.message or check.code or check.id}")
        for check in item.acknowledged_safety_checks or ()
    ]
    screen = InputImage(image_url=screenshot.image_url, file_id=screenshot.file_id)
    return Output(call_id=item.call_id, content=[*acknowledged, screen], is_object=True)
