"""The common form of tool use: functions, calls and outputs.

It knows what every chat model supports. Each tool family has a file of its own here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol, TypeAlias, TypeGuard, TypeVar

import msgspec

from penstock.json_codec import encode
from penstock.returned import carried
from penstock.wire import NULL, UNSET, ContentPart, Event, NamespaceTool, OutputItem, UnsetType

T = TypeVar("T")


class Declared(msgspec.Struct, frozen=True):
    """A tool of the request: by itself, or in a namespace."""

    tool: Any
    path: str = ""
    """Its path in the group that contains it, such as `.tools[0]`."""
    namespace_tool: NamespaceTool | None = None

    @property
    def namespace(self) -> str:
        """The name of its namespace. Empty without one."""
        return self.namespace_tool.name if self.namespace_tool else ""


class FunctionDefinition(msgspec.Struct, kw_only=True):
    """A function that the model may call. `parameters` is a JSON schema, or null."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None


class Call(msgspec.Struct, kw_only=True):
    """A call of the history. `arguments` is the text that a model wrote.

    `call_id` is empty where a client sent back a call with its output without an id.
    """

    call_id: str
    name: str
    arguments: str


class Output(msgspec.Struct, kw_only=True):
    """The output of a call: a text, or parts."""

    call_id: str
    content: str | list[ContentPart]
    is_object: bool = False
    """Whether the item's `output` is an object, and not a list of parts."""


def with_reply(read: Callable[[Any], Output]) -> Callable[[Any], Output]:
    """A reader of a hosted call's output that prefers what the model read, where the item carries that."""

    def output(item: Any) -> Output:
        known = carried(item) if item.unknown else None
        if known is None or not known.reply:
            return read(item)
        return Output(call_id=item.id or "", content=known.reply)

    return output


class ArgumentsReader(Protocol):
    """Reads a call's arguments while they arrive, and returns the text that the client gets."""

    def feed(self, fragment: str) -> str:
        """The text that `fragment` adds. It may be empty."""

    def close(self) -> str:
        """The text that is known only at the end of the arguments."""

    def cut(self) -> str:
        """The rest of the text where the arguments were cut short."""

    def is_whole(self) -> bool:
        """Whether the arguments are a complete JSON value."""


class TextCallFormat(Protocol):
    """How the client gets the model's calls of a function, as items whose text grows: the item and its events."""

    id_prefix: ClassVar[str]
    """The prefix of the ids of such items."""

    def item(self, *, id: str, call_id: str, text: str = "") -> OutputItem:
        """The item with the text that was read from the call's arguments. It begins with an empty text."""

    def reader(self) -> ArgumentsReader:
        """A reader for one call's arguments."""

    def delta(self, *, item_id: str, output_index: int, delta: str) -> Event:
        """The event of a piece of text."""

    def done(self, *, item: Any, output_index: int) -> Event:
        """The event with the item's complete text."""


class ActionCallFormat(msgspec.Struct, frozen=True):
    """How the client gets the model's calls of a function, as items with an action.

    The client gets nothing of such a call before its arguments are complete. Invalid arguments become a `function_call`
    of that name, so that the client can report the error to the model.
    """

    id_prefix: ClassVar[str]
    """The prefix of the ids of such items."""

    def read(self, arguments: str) -> Any:
        """The action of these arguments. Raises `ValueError` for arguments that are invalid for the tool."""
        raise NotImplementedError

    def item(self, *, id: str, call_id: str, action: Any) -> OutputItem:
        """The item with the action."""
        raise NotImplementedError

    def begun(self, item: Any) -> Any:
        """The item at its beginning, without the contents of `events`."""
        return item

    def events(self, *, item_id: str, output_index: int, action: Any) -> Iterable[Event]:
        """The events between the item's added and done. Most families have none."""
        return ()


CallFormat: TypeAlias = TextCallFormat | ActionCallFormat
"""How the client gets the model's calls of a function."""


def read_arguments(arguments: str, kind: type[T]) -> T:
    """The arguments as a struct. A number may be a string. Raises `ValueError` for invalid arguments."""
    try:
        return msgspec.json.decode(arguments, type=kind, strict=False)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"The arguments are invalid for the tool: {error}") from None


def write_arguments(value: Any) -> str:
    """A struct as the arguments of a call."""
    return encode(value).decode()


def is_json(text: str) -> bool:
    """Whether a text is one complete JSON value. A number is not, since more digits may follow."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return False
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def is_present(raw: msgspec.Raw | UnsetType) -> TypeGuard[msgspec.Raw]:
    """Whether undecoded JSON is present, and not null."""
    return raw is not UNSET and raw != NULL


def decoded(raw: msgspec.Raw | UnsetType, kind: type[T]) -> T | None:
    """Undecoded JSON as a type. None where it is absent, or of another form, as from some servers."""
    try:
        return msgspec.json.decode(raw, type=kind) if is_present(raw) else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


__all__ = [
    "ActionCallFormat",
    "ArgumentsReader",
    "Call",
    "CallFormat",
    "Declared",
    "FunctionDefinition",
    "Output",
    "TextCallFormat",
    "decoded",
    "is_json",
    "is_present",
    "read_arguments",
    "write_arguments",
]
