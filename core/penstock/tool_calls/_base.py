"""The common form of tool use: functions, calls of them, and what the calls gave back.

It knows what every chat model understands. What a tool family makes of it stands in the family's own file here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeGuard, TypeVar

import msgspec

from penstock.json_codec import encode
from penstock.wire import NULL, UNSET, ContentPart, Event, NamespaceTool, OutputItem, UnsetType

T = TypeVar("T")


class Declared(NamedTuple):
    """A tool that may be offered: one that stands by itself, or one within a namespace."""

    tool: Any
    place: str = ""
    """Where it stands within what declares it, such as `.tools[0]`."""
    space: NamespaceTool | None = None

    @property
    def namespace(self) -> str:
        """The name of its namespace; empty without one."""
        return self.space.name if self.space else ""


class FunctionDefinition(msgspec.Struct, kw_only=True):
    """A function as the model is offered it. `parameters` is a JSON schema, or null."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None


class Call(msgspec.Struct, kw_only=True):
    """A call that stands in the history. `arguments` is JSON as some model wrote it.

    `call_id` is empty where a call that has its output within was sent back without its id.
    """

    call_id: str
    name: str
    arguments: str


class Output(msgspec.Struct, kw_only=True):
    """What a call gave back: a text, or parts."""

    call_id: str
    content: str | list[ContentPart]
    is_object: bool = False
    """Whether the item's `output` is an object, and no list in which the parts stand."""


class ArgumentsReader(Protocol):
    """Takes a call's arguments as they arrive and gives the text that the client sees of them."""

    def feed(self, fragment: str) -> str:
        """The text that `fragment` adds, which may be none yet."""

    def close(self) -> str:
        """The text that was held back until the arguments ended."""

    def is_whole(self) -> bool:
        """Whether the arguments so far are a whole JSON value, so that nothing can follow."""


class CallForm(Protocol):
    """How the model's call of one offered function is told to the client: as which item, by which events."""

    id_prefix: ClassVar[str]
    """How the ids of such items begin."""

    def item(self, *, id: str, call_id: str, text: str = "") -> OutputItem:
        """The item with the text that was read from the call's arguments; it begins without any."""

    def reader(self) -> ArgumentsReader:
        """A reader for one call's arguments."""

    def delta(self, *, item_id: str, output_index: int, delta: str) -> Event:
        """The event of a piece of text."""

    def done(self, *, item: Any, output_index: int) -> Event:
        """The event that settles the item's text."""


class ActionForm(msgspec.Struct, frozen=True):
    """How the model's call of one offered function is told where the client sees an action, and no text that grows.

    Nothing of such a call is told before its arguments are whole. Arguments that are none for the tool come back as a
    `function_call` of that name, so that the client can tell the model of its mistake.
    """

    id_prefix: ClassVar[str]
    """How the ids of such items begin."""

    def read(self, arguments: str) -> Any:
        """The action that the arguments say. Raises `ValueError` where the tool does not take them."""
        raise NotImplementedError

    def item(self, *, id: str, call_id: str, action: Any) -> OutputItem:
        """The item with the whole action."""
        raise NotImplementedError

    def begun(self, item: Any) -> Any:
        """The item as it begins: without what `events` tells of it."""
        return item

    def events(self, *, item_id: str, output_index: int, action: Any) -> Iterable[Event]:
        """What is told between the item's added and done; most families tell nothing."""
        return ()


CallFormat: TypeAlias = CallForm | ActionForm
"""How calls of one offered function come back to the client."""


def read_arguments(arguments: str, kind: type[T]) -> T:
    """The arguments as a struct; a number may be written as a string. Raises `ValueError` where they are none."""
    try:
        return msgspec.json.decode(arguments, type=kind, strict=False)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"The arguments are not what the tool takes: {error}") from None


def write_arguments(value: Any) -> str:
    """A struct as the arguments of a call."""
    return encode(value).decode()


def is_json(text: str) -> bool:
    """Whether a text is one whole JSON value to which nothing can be added; a number may go on."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return False
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def is_there(told: msgspec.Raw | UnsetType) -> TypeGuard[msgspec.Raw]:
    """Whether undecoded JSON says anything but null."""
    return told is not UNSET and told != NULL


def decoded(told: msgspec.Raw | UnsetType, kind: type[T]) -> T | None:
    """What of undecoded JSON is known; None where there is none, or none of that kind, as from some other server."""
    try:
        return msgspec.json.decode(told, type=kind) if is_there(told) else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


__all__ = [
    "ActionForm",
    "ArgumentsReader",
    "Call",
    "CallForm",
    "CallFormat",
    "Declared",
    "FunctionDefinition",
    "Output",
    "decoded",
    "is_json",
    "is_there",
    "read_arguments",
    "write_arguments",
]
