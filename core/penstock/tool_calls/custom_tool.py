"""Custom tools: a chat model is offered a function with one string, `input`, and the client sees the text in it.

It knows the custom family both ways, and how to read a JSON string while it is still being written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from penstock.wire import (
    UNSET,
    CustomTool,
    CustomToolCall,
    CustomToolCallInputDelta,
    CustomToolCallInputDone,
    CustomToolCallOutput,
    GrammarInput,
    UnsetType,
)

from ._base import Call, FunctionDefinition, Output, is_json
from .namespace import function_name

PARAMETERS = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string","description":"The input of the tool."}},'
    b'"required":["input"],"additionalProperties":false}'
)

_HEAD_CHARS_MAX = 1_000
_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_UNITS = re.compile(
    r"""(?x) (?:
    [^"\\]+
    | \\ ["\\/bfnrt]
    | \\u (?![dD][89abAB]) [0-9a-fA-F]{4}
    | \\u [0-9a-fA-F]{4} (?= [^\\] | \\[^u] | \\u[0-9a-fA-F]{4} )  # half of a pair, and what follows is there
    | \\ [^"\\/bfnrtu]                                           # no escape of JSON's: it stands for itself
    | \\u (?= [0-9a-fA-F]{0,3} [^0-9a-fA-F] )
    )*"""
)
"""As many whole characters of a JSON string as there are."""
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class _Envelope(msgspec.Struct):
    """The arguments of a call of the offered function."""

    input: str


class InputReader:
    """The text within `{"input": "…"}`, piece by piece; arguments of any other form are the input themselves."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._held = ""
        self._where = "head"

    def feed(self, fragment: str) -> str:
        """The characters of the string that `fragment` completes."""
        self._pieces.append(fragment)
        if self._where in ("tail", "loose"):
            return ""
        self._held += fragment
        if self._where == "head":
            head = _HEAD.match(self._held)
            if head is None:
                if len(self._held) > _HEAD_CHARS_MAX:
                    self._where, self._held = "loose", ""
                return ""
            self._held = self._held[head.end() :]
            self._where = "string"
        return self._read()

    def close(self) -> str:
        """What is left of a string that was cut, or the input by another form."""
        if self._where == "string":
            return self._held
        return "" if self._where == "tail" else _loose_input("".join(self._pieces))

    def is_whole(self) -> bool:
        """Whether the arguments so far are a whole JSON value."""
        return is_json("".join(self._pieces))

    def _read(self) -> str:
        """Decode every whole character that is held, and keep an escape that is not all there."""
        units = _UNITS.match(self._held)
        end = units.end() if units else 0
        if self._held[end : end + 1] == '"':
            self._where = "tail"
        text, self._held = self._held[:end], self._held[end:]
        return _unescape(text) if "\\" in text else text


def _unescape(text: str) -> str:
    """The characters of a JSON string's inside; half a surrogate pair is replaced, since UTF-8 cannot say it."""
    characters = _ESCAPE.sub(_character, text)
    return characters.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _CONTROLS.get(escape[2], escape[2])


def _loose_input(arguments: str) -> str:
    """The input in arguments that do not begin as they were asked to: any order of keys, a bare string, plain text."""
    try:
        read = msgspec.json.decode(arguments, type=_Envelope | str)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
    return read if isinstance(read, str) else read.input


class CustomForm(msgspec.Struct, frozen=True):
    """Calls of one custom tool, told as `custom_tool_call` items."""

    id_prefix: ClassVar[str] = CustomToolCall.id_prefix

    name: str
    namespace: str | UnsetType = UNSET

    def item(self, *, id: str, call_id: str, text: str = "") -> CustomToolCall:
        """A call with this input."""
        return CustomToolCall(
            id=id, status="in_progress", call_id=call_id, name=self.name, namespace=self.namespace, input=text
        )

    def reader(self) -> InputReader:
        """The input is taken out of its envelope."""
        return InputReader()

    def delta(self, *, item_id: str, output_index: int, delta: str) -> CustomToolCallInputDelta:
        """A piece of the input."""
        return CustomToolCallInputDelta(item_id=item_id, output_index=output_index, delta=delta)

    def done(self, *, item: CustomToolCall, output_index: int) -> CustomToolCallInputDone:
        """The input, whole."""
        return CustomToolCallInputDone(item_id=str(item.id), output_index=output_index, input=item.input)


def offers(tool: CustomTool) -> Iterator[tuple[FunctionDefinition, CustomForm]]:
    """A function of one string; a grammar is told in the description, as chat models have no other place for it."""
    description = tool.description or f"The {tool.name} tool. It takes free text."
    if isinstance(tool.format, GrammarInput):
        description += f"\n\nThe input must follow this {tool.format.syntax} grammar:\n{tool.format.definition}"
    yield FunctionDefinition(name=tool.name, description=description, parameters=PARAMETERS), CustomForm(tool.name)


def call(item: CustomToolCall) -> Call:
    """A call of the history, in its envelope again."""
    arguments = msgspec.json.encode(_Envelope(input=item.input)).decode()
    return Call(call_id=item.call_id, name=function_name(item.namespace, item.name), arguments=arguments)


def output(item: CustomToolCallOutput) -> Output:
    """An output of the history."""
    return Output(call_id=item.call_id, content=item.output)
