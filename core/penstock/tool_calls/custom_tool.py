"""Custom tools: a chat model gets a function with one string, `input`, and the client gets the text in it.

It knows the calls of the model and of the history, and reads a JSON string while it arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from penstock.patterns import lazy_pattern
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
_HEAD = lazy_pattern(r'\s*\{\s*"input"\s*:\s*"')
_UNITS = lazy_pattern(
    r"""(?x) (?:
    [^"\\]+
    | \\ ["\\/bfnrt]
    | \\u (?![dD][89abAB]) [0-9a-fA-F]{4}
    | \\u [0-9a-fA-F]{4} (?= [^\\] | \\[^u] | \\u[0-9a-fA-F]{4} )  # a lone surrogate, and the next characters are there
    | \\ [^"\\/bfnrtu]                                           # no escape of JSON: it is taken literally
    | \\u (?= [0-9a-fA-F]{0,3} [^0-9a-fA-F] )
    )*"""
)
"""All complete characters of a JSON string that have arrived."""
_ESCAPE = lazy_pattern(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class _Arguments(msgspec.Struct):
    """The arguments of a call."""

    input: str


class InputReader:
    """Reads the text in `{"input": "…"}`, piece by piece. Arguments of any other form are the input themselves."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._rest = ""
        self._state = "head"

    def feed(self, fragment: str) -> str:
        """The characters of the string that `fragment` completes."""
        self._pieces.append(fragment)
        if self._state in ("tail", "loose"):
            return ""
        self._rest += fragment
        if self._state == "head":
            head = _HEAD.match(self._rest)
            if head is None:
                if len(self._rest) > _HEAD_CHARS_MAX:
                    self._state, self._rest = "loose", ""
                return ""
            self._rest = self._rest[head.end() :]
            self._state = "string"
        return self._read()

    def close(self) -> str:
        """The rest of a string that was cut short, or the input in another form."""
        if self._state == "string":
            return self._rest
        return "" if self._state == "tail" else _input_in_other_form("".join(self._pieces))

    def cut(self) -> str:
        """Nothing: what has not been read may be half a character."""
        return ""

    def is_whole(self) -> bool:
        """Whether the arguments are a complete JSON value."""
        return is_json("".join(self._pieces))

    def _read(self) -> str:
        """Decode all complete characters, and wait for the rest of an incomplete escape."""
        units = _UNITS.match(self._rest)
        end = units.end() if units else 0
        if self._rest[end : end + 1] == '"':
            self._state = "tail"
        text, self._rest = self._rest[:end], self._rest[end:]
        return _unescape(text) if "\\" in text else text


def _unescape(text: str) -> str:
    """The characters of a JSON string. A lone surrogate is replaced, since UTF-8 cannot encode it."""
    characters = _ESCAPE.sub(_character, text)
    return characters.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _CONTROLS.get(escape[2], escape[2])


def _input_in_other_form(arguments: str) -> str:
    """The input in arguments of another form: other keys before `input`, a string, or a text that is no JSON."""
    try:
        read = msgspec.json.decode(arguments, type=_Arguments | str)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
    return read if isinstance(read, str) else read.input


class CustomToolCallFormat(msgspec.Struct, frozen=True):
    """Calls of one custom tool, as `custom_tool_call` items."""

    id_prefix: ClassVar[str] = CustomToolCall.id_prefix

    name: str
    namespace: str | UnsetType = UNSET

    def item(self, *, id: str, call_id: str, text: str = "") -> CustomToolCall:
        """A call with this input."""
        return CustomToolCall(
            id=id, status="in_progress", call_id=call_id, name=self.name, namespace=self.namespace, input=text
        )

    def reader(self) -> InputReader:
        """A reader that extracts the input from the arguments."""
        return InputReader()

    def delta(self, *, item_id: str, output_index: int, delta: str) -> CustomToolCallInputDelta:
        """A piece of the input."""
        return CustomToolCallInputDelta(item_id=item_id, output_index=output_index, delta=delta)

    def done(self, *, item: CustomToolCall, output_index: int) -> CustomToolCallInputDone:
        """The event with the complete input."""
        return CustomToolCallInputDone(item_id=str(item.id), output_index=output_index, input=item.input)


def offers(tool: CustomTool) -> Iterator[tuple[FunctionDefinition, CustomToolCallFormat]]:
    """The function with one string. Its description contains the grammar, since chat models support none."""
    description = tool.description or f"The {tool.name} tool. It takes free text."
    if isinstance(tool.format, GrammarInput):
        description += f"\n\nThe input must follow this {tool.format.syntax} grammar:\n{tool.format.definition}"
    yield (
        FunctionDefinition(name=tool.name, description=description, parameters=PARAMETERS),
        CustomToolCallFormat(tool.name),
    )


def call(item: CustomToolCall) -> Call:
    """A call of the history, with the input in its arguments."""
    arguments = msgspec.json.encode(_Arguments(input=item.input)).decode()
    return Call(call_id=item.call_id, name=function_name(item.namespace, item.name), arguments=arguments)


def output(item: CustomToolCallOutput) -> Output:
    """An output of the history."""
    return Output(call_id=item.call_id, content=item.output)
