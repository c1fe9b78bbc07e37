"""The computer family: what a model does with a screen that the client drives, and the screenshots it gets.

It knows OpenAI's `ComputerTool`, `ResponseComputerToolCall` and its output; coordinates and sizes are pixels.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from ._base import UNSET, Item, ItemStatus, Tool, UnsetType, Wire


class ComputerTool(Tool, kw_only=True, tag="computer"):
    """The client runs clicks and keys for the model, several at a time."""


class ComputerUsePreviewTool(Tool, kw_only=True, tag="computer_use_preview"):
    """The same by its older name, one action at a time, with the size of the screen."""

    display_width: int
    display_height: int
    environment: Literal["windows", "mac", "linux", "ubuntu", "browser"]


class Click(Wire, kw_only=True, tag_field="type", tag="click"):
    """A mouse button is pressed and let go."""

    button: Literal["left", "right", "wheel", "back", "forward"]
    x: int
    y: int
    keys: list[str] | None | UnsetType = UNSET


class DoubleClick(Wire, kw_only=True, tag_field="type", tag="double_click"):
    """The left button, twice."""

    x: int
    y: int
    keys: list[str] | None | UnsetType = UNSET


class DragPoint(Wire, kw_only=True):
    """A place on the way."""

    x: int
    y: int


class Drag(Wire, kw_only=True, tag_field="type", tag="drag"):
    """The mouse moves along a path with its button pressed."""

    path: list[DragPoint]
    keys: list[str] | None | UnsetType = UNSET


class Keypress(Wire, kw_only=True, tag_field="type", tag="keypress"):
    """Keys are pressed together."""

    keys: list[str]


class Move(Wire, kw_only=True, tag_field="type", tag="move"):
    """The mouse moves."""

    x: int
    y: int
    keys: list[str] | None | UnsetType = UNSET


class Screenshot(Wire, kw_only=True, tag_field="type", tag="screenshot"):
    """The model wants to see the screen."""


class Scroll(Wire, kw_only=True, tag_field="type", tag="scroll"):
    """The wheel turns at a place."""

    x: int
    y: int
    scroll_x: int
    scroll_y: int
    keys: list[str] | None | UnsetType = UNSET


class Type(Wire, kw_only=True, tag_field="type", tag="type"):
    """A text is typed."""

    text: str


class Wait(Wire, kw_only=True, tag_field="type", tag="wait"):
    """Nothing is done for a while."""


ComputerAction: TypeAlias = Click | DoubleClick | Drag | Keypress | Move | Screenshot | Scroll | Type | Wait


class SafetyCheck(Wire, kw_only=True):
    """A doubt that somebody must dispel before the client goes on."""

    id: str
    code: str | None | UnsetType = UNSET
    message: str | None | UnsetType = UNSET


class ComputerCall(Item, kw_only=True, tag="computer_call"):
    """What the client is to do: `actions`, or one `action` of the older tool."""

    id_prefix: ClassVar[str] = "cu_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | UnsetType = UNSET
    call_id: str
    action: ComputerAction | None | UnsetType = UNSET
    actions: list[ComputerAction] | None | UnsetType = UNSET
    pending_safety_checks: list[SafetyCheck] = []


class ComputerScreenshot(Wire, kw_only=True, tag_field="type", tag="computer_screenshot"):
    """The screen as it is now, by a URL (a `data:` URL too) or an id."""

    image_url: str | None | UnsetType = UNSET
    file_id: str | None | UnsetType = UNSET


class ComputerCallOutput(Item, kw_only=True, tag="computer_call_output"):
    """The screen after a call's actions."""

    id_prefix: ClassVar[str] = "cuo_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | Literal["failed"] | None | UnsetType = UNSET
    call_id: str
    output: ComputerScreenshot
    acknowledged_safety_checks: list[SafetyCheck] | None | UnsetType = UNSET
    created_by: str | UnsetType = UNSET
