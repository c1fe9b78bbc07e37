"""The computer family: actions on a screen that the client controls, and the screenshots that it returns.

It knows OpenAI's `ComputerTool`, `ResponseComputerToolCall` and its output. Coordinates and sizes are in pixels.
"""

from typing import ClassVar, Literal, TypeAlias

from ._base import UNSET, Item, ItemStatus, Tool, UnsetType, Wire


class ComputerTool(Tool, kw_only=True, tag="computer"):
    """The client performs mouse and keyboard actions for the model, several in one call."""


class ComputerUsePreviewTool(Tool, kw_only=True, tag="computer_use_preview"):
    """The older computer tool, with one action in one call, and with the size of the screen."""

    display_width: int
    display_height: int
    environment: Literal["windows", "mac", "linux", "ubuntu", "browser"]


class Click(Wire, kw_only=True, tag_field="type", tag="click"):
    """Click a mouse button."""

    button: Literal["left", "right", "wheel", "back", "forward"]
    x: int
    y: int
    keys: list[str] | None | UnsetType = UNSET


class DoubleClick(Wire, kw_only=True, tag_field="type", tag="double_click"):
    """Double-click the left mouse button."""

    x: int
    y: int
    keys: list[str] | None | UnsetType = UNSET


class DragPoint(Wire, kw_only=True):
    """A point of the path."""

    x: int
    y: int


class Drag(Wire, kw_only=True, tag_field="type", tag="drag"):
    """Move the mouse along a path with its button pressed."""

    path: list[DragPoint]
    keys: list[str] | None | UnsetType = UNSET


class Keypress(Wire, kw_only=True, tag_field="type", tag="keypress"):
    """Press keys together."""

    keys: list[str]


class Move(Wire, kw_only=True, tag_field="type", tag="move"):
    """Move the mouse."""

    x: int
    y: int
    keys: list[str] | None | UnsetType = UNSET


class Screenshot(Wire, kw_only=True, tag_field="type", tag="screenshot"):
    """Take a screenshot."""


class Scroll(Wire, kw_only=True, tag_field="type", tag="scroll"):
    """Scroll at a position."""

    x: int
    y: int
    scroll_x: int
    scroll_y: int
    keys: list[str] | None | UnsetType = UNSET


class Type(Wire, kw_only=True, tag_field="type", tag="type"):
    """Type a text."""

    text: str


class Wait(Wire, kw_only=True, tag_field="type", tag="wait"):
    """Wait for a while."""


ComputerAction: TypeAlias = Click | DoubleClick | Drag | Keypress | Move | Screenshot | Scroll | Type | Wait


class SafetyCheck(Wire, kw_only=True):
    """A warning that the user must acknowledge before the client continues."""

    id: str
    code: str | None | UnsetType = UNSET
    message: str | None | UnsetType = UNSET


class ComputerCall(Item, kw_only=True, tag="computer_call"):
    """Actions that the client is to perform: `actions`, or one `action` of the older tool."""

    id_prefix: ClassVar[str] = "cu_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | UnsetType = UNSET
    call_id: str
    action: ComputerAction | None | UnsetType = UNSET
    actions: list[ComputerAction] | None | UnsetType = UNSET
    pending_safety_checks: list[SafetyCheck] = []


class ComputerScreenshot(Wire, kw_only=True, tag_field="type", tag="computer_screenshot"):
    """A screenshot, by URL (also a `data:` URL) or by the id of a file."""

    image_url: str | None | UnsetType = UNSET
    file_id: str | None | UnsetType = UNSET


class ComputerCallOutput(Item, kw_only=True, tag="computer_call_output"):
    """A screenshot after the actions of a call."""

    id_prefix: ClassVar[str] = "cuo_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | Literal["failed"] | None | UnsetType = UNSET
    call_id: str
    output: ComputerScreenshot
    acknowledged_safety_checks: list[SafetyCheck] | None | UnsetType = UNSET
    created_by: str | UnsetType = UNSET
