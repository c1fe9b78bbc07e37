"""The calls of a turn while the upstream writes them: calls without a name yet, and calls with an action.

It knows no events: a `CallItems` writes the items.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from penstock.errors import upstream_failed
from penstock.ids import NewId
from penstock.tool_calls import ActionCallFormat, CallFormat, is_json
from penstock.tool_calls.arguments import as_object
from penstock.tool_calls.function_call import FunctionCallFormat
from penstock.wire import ItemStatus

from . import deltas


class OpenCall(Protocol):
    """A call that the upstream is writing."""

    def arguments(self, fragment: str) -> None:
        """A piece of the arguments."""

    def is_whole(self) -> bool:
        """Whether the arguments are a complete JSON value, so that the call may end."""

    def close(self, status: ItemStatus) -> None:
        """The call has ended."""


class PendingCall:
    """One call of the turn. Its item begins with its name, which some upstreams send after the first arguments."""

    def __init__(self) -> None:
        self.writer: OpenCall | None = None
        self.closed = False
        self._early: list[str] = []
        self._call_id: str | None = None

    def receive(self, delta: deltas.ToolCallDelta, open_call: Callable[[int, str, str | None], OpenCall]) -> None:
        """Add a piece of the call. Its item begins with the piece that has its name."""
        self._call_id = self._call_id or delta.call_id
        if self.writer is None:
            self._early.append(delta.arguments)
            if not delta.name:
                return
            self.writer = open_call(delta.index, delta.name, self._call_id)
            fragment = "".join(self._early)
        else:
            fragment = delta.arguments
        # spec: arguments
        if fragment and not self.closed:
            self.writer.arguments(fragment)

    def close(self, status: ItemStatus) -> None:
        """End the item. A call without a name has no item, and is an error in a completed turn."""
        if self.writer is None:
            if status == "completed":
                raise upstream_failed("The upstream called a tool without naming it.", retriable=False)
        elif not self.closed:
            self.closed = True
            self.writer.close(status)


class CallItems(Protocol):
    """Writes the items of calls."""

    @property
    def new_id(self) -> NewId:
        """Makes the ids of items."""

    def call(self, form: CallFormat, name: str, call_id: str) -> OpenCall:
        """A call begins."""

    def action(self, form: ActionCallFormat, item: Any, action: Any) -> None:
        """A call with an action begins and ends at once."""


class ActionCall:
    """The call of a tool whose calls are actions: its item begins and ends when its arguments are complete.

    A call that was cut short gets no item: a client must not run an incomplete action.
    """

    def __init__(self, items: CallItems, form: ActionCallFormat, name: str, call_id: str) -> None:
        self._items = items
        self._form = form
        self._name = name
        self._call_id = call_id
        self._pieces: list[str] = []

    def arguments(self, fragment: str) -> None:
        """A piece of the arguments."""
        self._pieces.append(fragment)

    def is_whole(self) -> bool:
        """Whether the arguments are a complete JSON value, so that the call may end."""
        return is_json("".join(self._pieces))

    def close(self, status: ItemStatus) -> None:
        """Write the call."""
        if status == "completed":
            arguments = "".join(self._pieces) or "{}"
            self._write(arguments, as_object(arguments) or arguments)

    def _write(self, arguments: str, meant: str) -> None:
        try:
            action = self._form.read(meant)
        except ValueError:
            self._write_as_function_call(arguments)
            return
        item = self._form.item(id=self._items.new_id(self._form.id_prefix), call_id=self._call_id, action=action)
        self._items.action(self._form, item, action)

    def _write_as_function_call(self, arguments: str) -> None:
        """Write a `function_call` with the model's arguments, which are invalid for the tool."""
        call = self._items.call(FunctionCallFormat(self._name), self._name, self._call_id)
        call.arguments(arguments)
        call.close("completed")
