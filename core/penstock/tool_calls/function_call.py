"""Functions: the model gets the functions of the client, and the client gets the calls.

It knows the calls of the model and of the history. It never reads a schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from penstock.wire import (
    UNSET,
    FunctionCall,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    FunctionCallOutput,
    FunctionTool,
    UnsetType,
)

from ._base import Call, FunctionDefinition, Output, is_json
from .arguments import as_object, begins_object, without_empty_object
from .namespace import function_name

_HEAD_CHARS_MAX = 1_000
"""A longer head has begun, whatever it is."""


class PlainReader:
    """Passes the arguments on. What may not be the arguments of a function is held back, and read at the end."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._state = "head"
        self._head = ""

    def feed(self, fragment: str) -> str:
        """The fragment, once the arguments have begun."""
        self._pieces.append(fragment)
        if self._state == "object":
            return fragment
        return self._read_head(fragment) if self._state == "head" else ""

    def close(self) -> str:
        """What was held back, as the object that it means, so that every client can parse it."""
        held = self.cut()
        return "" if self._state == "object" else as_object(held) or held

    def cut(self) -> str:
        """What was held back, as it came."""
        if self._state == "object":
            return ""
        return self._head if self._state == "head" else "".join(self._pieces)

    def is_whole(self) -> bool:
        """Whether the arguments are a complete JSON value."""
        return is_json("".join(self._pieces))

    def _read_head(self, fragment: str) -> str:
        """Find out whether an object begins. An empty object before another one is left out."""
        head = self._head = without_empty_object(self._head + fragment)
        # spec: odd-arguments
        if begins_object(head) or len(head) > _HEAD_CHARS_MAX:
            self._state = "object"
            return head
        if head.strip() and not head.lstrip().startswith("{"):
            self._state = "other"
        return ""


class FunctionCallFormat(msgspec.Struct, frozen=True):
    """Calls of one function, as `function_call` items."""

    id_prefix: ClassVar[str] = FunctionCall.id_prefix

    name: str
    namespace: str | UnsetType = UNSET

    def item(self, *, id: str, call_id: str, text: str = "") -> FunctionCall:
        """A call with these arguments."""
        return FunctionCall(
            id=id, status="in_progress", call_id=call_id, name=self.name, namespace=self.namespace, arguments=text
        )

    def reader(self) -> PlainReader:
        """A reader that passes the arguments on."""
        return PlainReader()

    def delta(self, *, item_id: str, output_index: int, delta: str) -> FunctionCallArgumentsDelta:
        """A piece of the arguments."""
        return FunctionCallArgumentsDelta(item_id=item_id, output_index=output_index, delta=delta)

    def done(self, *, item: FunctionCall, output_index: int) -> FunctionCallArgumentsDone:
        """The event with the complete arguments."""
        return FunctionCallArgumentsDone(
            item_id=str(item.id), output_index=output_index, name=item.name, arguments=item.arguments
        )


def offers(tool: FunctionTool) -> Iterator[tuple[FunctionDefinition, FunctionCallFormat]]:
    """The function itself."""
    offer = FunctionDefinition(
        name=tool.name, description=tool.description, parameters=tool.parameters, strict=tool.strict
    )
    yield offer, FunctionCallFormat(tool.name)


def call(item: FunctionCall) -> Call:
    """A call of the history."""
    return Call(call_id=item.call_id, name=function_name(item.namespace, item.name), arguments=item.arguments)


def output(item: FunctionCallOutput) -> Output:
    """An output of the history."""
    return Output(call_id=item.call_id, content=item.output)


__all__ = ["FunctionCallFormat", "PlainReader", "call", "offers", "output"]
