"""The transcript: it alone numbers, checks and folds events.

It records events, runs of events of one text, and complete items where no event is read. It folds them into the tree of
the Response, whose snapshot can be read at any time. It never does I/O, never makes an event, and never changes an
object of an event: growing fields are lists of pieces here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from penstock.text_runs import GrowingText, Recorded, TextRun, one_by_one
from penstock.wire import (
    Created,
    Event,
    Fold,
    InProgress,
    Item,
    LifecycleEvent,
    OutputItemAdded,
    Response,
    StreamEvent,
)

from .lifecycle import DONE, MACHINES, OPEN, RESPONSE, TERMINAL, Machine


class IllegalEvent(Exception):
    """An event that the tables do not allow. It is a bug of the code that made it, never an error of a client."""


class _Node(msgspec.Struct, eq=False):
    """An object of the growing Response: its value so far, its state, its growing fields, and the objects in it."""

    value: Any
    machine: Machine
    state: str
    index: int = 0
    pieces: dict[str, list[Any]] = {}
    children: dict[str, list[_Node]] = {}
    by_id: dict[str, _Node] = {}

    def frozen(self, **fields: Any) -> Any:
        """A copy of the current object, with these fields."""
        for name, nodes in self.children.items():
            fields[name] = list(map(_Node.frozen, nodes))
        if self.pieces:
            grown = {name: _joined(self.value, name, pieces) for name, pieces in self.pieces.items()}
            return _replaced(self.value, grown | fields)
        return replace(self.value, **fields) if fields else self.value

    def settle(self, value: Any) -> None:
        """Set the final value, and drop the pieces of its fields."""
        self.value = value
        self.pieces.clear()
        self.children.clear()
        self.by_id.clear()

    def abandon(self) -> None:
        """Treat the object, and all objects in it, as ended."""
        self.state = DONE
        for nodes in self.children.values():
            for node in nodes:
                node.abandon()

    def pieces_of(self, field: str) -> list[Any]:
        """The pieces of a growing field."""
        pieces = self.pieces.get(field)
        if pieces is None:
            initial = attrgetter(field)(self.value)
            pieces = self.pieces[field] = [initial] if isinstance(initial, str) else list(initial or ())
        return pieces

    def is_settled(self) -> bool:
        """Whether all objects in it have ended."""
        for nodes in self.children.values():
            for node in nodes:
                if node.state != DONE:
                    return False
        return True


def _joined(value: Any, name: str, pieces: list[Any]) -> Any:
    """The value of a growing field: pieces of text make a text, and all others a list."""
    is_text = isinstance(pieces[0], str) and not isinstance(attrgetter(name)(value), list)
    return "".join(pieces) if is_text else list(pieces)


def _replaced(value: Any, fields: dict[str, Any]) -> Any:
    """The object with these fields. `action.commands` is a nested field."""
    own: dict[str, Any] = {}
    for name, new in fields.items():
        field, _, inner = name.partition(".")
        own[field] = _replaced(getattr(value, field), {inner: new}) if inner else new
    return replace(value, **own)


def _append(node: _Node, event: Any, names: tuple[str, ...], _: str) -> None:
    field, source, *extend = names
    # spec: memory
    node.pieces_of(field).append(getattr(event, source))
    for name in extend:
        if values := getattr(event, name):
            node.pieces.setdefault(name, []).extend(values)


def _settle(node: _Node, event: Any, names: tuple[str, ...], _: str) -> None:
    for name in names:
        node.pieces.pop(name, None)
    node.value = replace(node.value, **{name: getattr(event, name) for name in names})


def _status(node: _Node, event: Any, names: tuple[str, ...], _: str) -> None:
    node.value = replace(node.value, status=names[0])


def _open(node: _Node, event: Any, names: tuple[str, ...], list_name: str) -> None:
    _add(node, list_name, getattr(event, names[0]), OPEN)


def _add(node: _Node, list_name: str, value: Any, state: str) -> None:
    """Append an object to a list."""
    siblings = node.children.setdefault(list_name, [])
    child = _Node(value, MACHINES[type(value)], state, len(siblings))
    siblings.append(child)
    if item_id := getattr(value, "id", None):
        node.by_id[item_id] = child


def _close(node: _Node, event: Any, names: tuple[str, ...], _: str) -> None:
    node.settle(getattr(event, names[0]))


def _adopt(node: _Node, event: Any, names: tuple[str, ...], _: str) -> None:
    if node.state in TERMINAL:
        node.settle(event.response)
    else:
        node.value = event.response


def _nothing(node: _Node, event: Any, names: tuple[str, ...], _: str) -> None:
    """Do nothing: the event only informs the client."""


_OPERATIONS: dict[str, Callable[[_Node, Any, tuple[str, ...], str], None]] = {
    "append": _append,
    "settle": _settle,
    "status": _status,
    "open": _open,
    "close": _close,
    "adopt": _adopt,
    "nothing": _nothing,
}

_LISTS = {"output_index": "output", "content_index": "content", "summary_index": "summary"}
"""The list that each index of an event belongs to, the outermost first."""


class _Rule(msgspec.Struct, frozen=True):
    """How events of one class are folded: the path to the object, the operation, and for `open` the list and its index.

    An event with an `item_id` finds its item by that id, and its `output_index` must be the item's.
    """

    named: bool
    path: tuple[tuple[str, str], ...]
    apply: Callable[[_Node, Any, tuple[str, ...], str], None]
    names: tuple[str, ...]
    ends: bool
    list_name: str
    index: str


def _rule(cls: type[Event], fold: Fold) -> _Rule:
    path = tuple((list_name, index) for index, list_name in _LISTS.items() if index in cls.__struct_fields__)
    list_name = index = ""
    if fold.operation == "open":  # the path leads to the object that will contain the new one
        *outer, (list_name, index) = path
        path = tuple(outer)
    named = "item_id" in cls.__struct_fields__
    ends = fold.operation == "close" or (cls in RESPONSE["in_progress"] and RESPONSE["in_progress"][cls] in TERMINAL)
    return _Rule(named, path[named:], _OPERATIONS[fold.operation], fold.names, ends, list_name, index)


_RULES: dict[type[Event], _Rule] = {cls: _rule(cls, cls.fold) for cls in get_args(StreamEvent)}

_NEW = "new"
_STARTED = RESPONSE[RESPONSE[_NEW][Created]][InProgress]
"""The state of a response after its first events."""
_NO_TRANSITIONS: dict[type[Event], str] = {}
"""The transitions of an object that has ended: none."""


class OpenText:
    """A growing text, and the object that it is a field of."""

    __slots__ = ("event", "node", "pieces", "state", "text")

    def __init__(self, node: _Node, event: Event) -> None:
        self.node = node
        self.state = _next_state(node, event)
        """The state of the object while the text grows."""
        self.pieces = node.pieces_of(event.fold.names[0])
        self.event = event
        self.text = GrowingText(event)


class Transcript:
    """The events of one response, from the first to the terminal event, and the Response that they make."""

    def __init__(self) -> None:
        self._root = _Node(None, RESPONSE, _NEW)
        self._count = 0
        self._fresh: list[Recorded] = []

    def record(self, event: Event) -> None:
        """Number the event and fold it. Raises `IllegalEvent` where the tables do not allow it."""
        cls = type(event)
        rule = _RULES[cls]
        node = self._find(rule, event)
        state = _next_state(node, event)
        if rule.ends:
            _check_end(rule, node, event)
        if rule.list_name:
            _check_beginning(rule, node, event)
        node.state = state
        rule.apply(node, event, rule.names, rule.list_name)
        # spec: numbers
        event.sequence_number = self._count
        self._count += 1
        self._fresh.append(event)

    def record_start(self, response: Response) -> None:
        """Begin the Response in one step, in place of its first events, where no client reads them.

        Raises `IllegalEvent` where it has begun.
        """
        root = self._root
        if root.state != _NEW:
            raise IllegalEvent(f"a start in state {root.state!r}")
        root.value, root.state = response, _STARTED

    def open_text(self, event: Event) -> OpenText:
        """The text that delta events like this one append to. Raises `IllegalEvent` where there is none now."""
        return OpenText(self._find(_RULES[type(event)], event), event)

    def record_run(self, to: OpenText, deltas: list[str]) -> None:
        """Record an event for each of the deltas in one step. Raises `IllegalEvent` as `record` does."""
        if to.node.state != to.state:
            raise _illegal(to.node, to.event)
        to.pieces += deltas
        # spec: numbers, text-runs
        self._fresh.append(TextRun(to.text, self._count, deltas))
        self._count += len(deltas)

    def record_item(self, item: Item) -> None:
        """Record a complete item in one step, in place of its events, where no client reads them.

        Raises `IllegalEvent` where the tables do not allow that an item is added.
        """
        root = self._root
        if OutputItemAdded not in root.machine.get(root.state, _NO_TRANSITIONS):
            raise IllegalEvent(f"an item in state {root.state!r}")
        _check_id(root, item, "an item")
        _add(root, "output", item, DONE)

    def record_end(self, event: LifecycleEvent) -> None:
        """End the Response in one step, where no client reads the event. Raises `IllegalEvent` as `record` does."""
        root = self._root
        _check_end(_RULES[type(event)], root, event)
        root.state = _next_state(root, event)
        root.settle(event.response)

    @property
    def fresh(self) -> list[Event]:
        """The events recorded since the last `take`."""
        return one_by_one(self._fresh)

    def take(self) -> list[Event]:
        """The events recorded since the last call, one by one."""
        return one_by_one(self.take_runs())

    def take_runs(self) -> list[Recorded]:
        """The events recorded since the last call, where runs of one text are one object."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def snapshot(self, **fields: Any) -> Response:
        """The current Response, with these fields. Later events do not change it."""
        response: Response = self._root.frozen(**fields)
        return response

    def item(self, output_index: int) -> Any:
        """The current form of one output item."""
        return self._root.children["output"][output_index].frozen()

    def item_state(self, output_index: int) -> str:
        """The state of one output item, from its table."""
        return self._root.children["output"][output_index].state

    def open_parts(self, output_index: int) -> list[tuple[str, int, Any, str]]:
        """The parts of an item that have not ended: the name and value of their index, the part, and its state."""
        children = self._root.children["output"][output_index].children
        return [
            (index, number, node.frozen(), node.state)
            for index, list_name in _LISTS.items()
            for number, node in enumerate(children.get(list_name, ()))
            if node.state != DONE
        ]

    @property
    def output_count(self) -> int:
        """The number of output items, which is the index of the next one."""
        return len(self._root.children.get("output", ()))

    @property
    def is_settled(self) -> bool:
        """Whether all items have ended."""
        return self._root.is_settled()

    @property
    def state(self) -> str:
        """The response's state, from its table."""
        return self._root.state

    @property
    def is_ended(self) -> bool:
        """Whether the terminal event was recorded."""
        return self._root.state in TERMINAL

    def abandon(self) -> None:
        """Treat open items as ended, so that the response can end after a bug."""
        for node in self._root.children.get("output", ()):
            node.abandon()

    def _find(self, rule: _Rule, event: Any) -> _Node:
        node = self._root
        try:
            if rule.named:
                node = node.by_id[event.item_id]
                # spec: identity
                if node.index != event.output_index:
                    raise LookupError(event.output_index)
            for list_name, index in rule.path:
                at = getattr(event, index)
                if at < 0:  # Python would count from the end
                    raise IndexError(at)
                node = node.children[list_name][at]
        except LookupError:
            raise IllegalEvent(f"{event.type} about an object that was never added") from None
        return node


def _next_state(node: _Node, event: Event) -> str:
    """The state of an object after an event. Raises `IllegalEvent` where the tables do not allow the event."""
    state = node.machine.get(node.state, _NO_TRANSITIONS).get(type(event))
    # spec: one-end
    if state is None:
        raise _illegal(node, event)
    return state


def _illegal(node: _Node, event: Event) -> IllegalEvent:
    return IllegalEvent(f"{event.type} in state {node.state!r} of {type(node.value).__name__}")


def _check_beginning(rule: _Rule, node: _Node, event: Event) -> None:
    """Check that a new object has the next index, and an id that no other object has."""
    if getattr(event, rule.index) != len(node.children.get(rule.list_name, ())):
        raise IllegalEvent(f"{event.type} at {rule.index} {getattr(event, rule.index)}, which is not the next")
    _check_id(node, getattr(event, rule.names[0]), event.type)


def _check_id(node: _Node, value: Any, what: str) -> None:
    # spec: identity
    if getattr(value, "id", None) in node.by_id:
        raise IllegalEvent(f"{what} with the id of another item")


def _check_end(rule: _Rule, node: _Node, event: Event) -> None:
    """Check that all objects in an ending object have ended, and that it has the id that it began with."""
    # spec: pairs
    if not node.is_settled():
        raise IllegalEvent(f"{event.type} while something within is still open")
    for name in rule.names:
        if getattr(getattr(event, name), "id", None) != getattr(node.value, "id", None):
            raise IllegalEvent(f"{event.type} with an id that is not the item's")


def fold(events: Iterable[Event]) -> Response:
    """The Response that a sequence of events makes. Raises `IllegalEvent` where the sequence is not legal."""
    transcript = Transcript()
    for event in events:
        transcript.record(event)
    return transcript.snapshot()
