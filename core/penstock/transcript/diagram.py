"""The state tables as Mermaid's `stateDiagram-v2`: one of the response, and one of all items and parts.

It draws any table, so that the diagrams in the documents cannot be out of date.
`python -m penstock.transcript.diagram` prints both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec

from penstock.patterns import lazy_pattern
from penstock.wire import UNKNOWN, Event, Response, StreamEvent

from .lifecycle import DONE, MACHINES, OPEN, TERMINAL, Machine

_INDENT = " " * 4
_CAPITALS = lazy_pattern(r"[A-Z][a-z]*")
_OUTSIDE = ("new", DONE)


def response_diagram() -> str:
    """The states of a response."""
    return _diagram([Response])


def items_diagram() -> str:
    """The states of every item and content part."""
    return _diagram([cls for cls in MACHINES if cls is not Response])


def _diagram(classes: Iterable[type[Any]]) -> str:
    lines = ["stateDiagram-v2"]
    for cls in classes:
        lines += [_INDENT + line for line in _box(cls, MACHINES[cls])]
    return "\n".join(lines) + "\n"


def _box(cls: type[Any], machine: Machine) -> Iterator[str]:
    """One state machine. State names are global in Mermaid, so they have the name of the machine as prefix."""
    box = _label_of(cls)
    yield f"state {box} {{"
    for state in _states(machine):
        yield f'{_INDENT}state "{state}" as {_name(box, state)}'
    if cls is not Response:
        yield f"{_INDENT}[*] --> {_name(box, OPEN)} : {_label(_openers(cls))}"
    for start, transitions in machine.items():
        for end, events in _by_end(transitions).items():
            yield f"{_INDENT}{_name(box, start)} --> {_name(box, end)} : {_label(events)}"
    for end in (state for state in _states(machine) if state in TERMINAL):
        yield f"{_INDENT}{_name(box, end)} --> [*]"
    yield "}"


def _states(machine: Machine) -> list[str]:
    """All states in the order of the table, without those before the beginning and after the end."""
    states = dict.fromkeys([*machine, *(end for transitions in machine.values() for end in transitions.values())])
    return [state for state in states if state not in _OUTSIDE]


def _name(box: str, state: str) -> str:
    return "[*]" if state in _OUTSIDE else f"{box}_{state}"


def _by_end(transitions: dict[type[Event], str]) -> dict[str, list[type[Event]]]:
    """The events that lead from a state, by the next state."""
    ends: dict[str, list[type[Event]]] = {}
    for event, end in transitions.items():
        ends.setdefault(end, []).append(event)
    return ends


def _openers(cls: type[Any]) -> list[type[Event]]:
    """The events that can begin an object of a class."""
    return [event for event in get_args(StreamEvent) if event.fold.operation == "open" and cls in _opened(event)]


def _opened(event: type[Any]) -> tuple[type[Any], ...]:
    """The classes of the objects that an event can begin, from the type of its field."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(event)}
    kind = kinds[event.fold.names[0]]
    return get_args(kind) or (kind,)


def _label(events: list[type[Event]]) -> str:
    return ", ".join(_label_of(event).removeprefix("response.") for event in events)


def _label_of(cls: type[Any]) -> str:
    """The label of a class: its `type`, or the name of the class where it has none or is for unknown types."""
    tag = cls.__struct_config__.tag
    return str(tag) if tag not in (None, UNKNOWN) else "_".join(_CAPITALS.findall(cls.__name__)).lower()


if __name__ == "__main__":
    sys.stdout.write(response_diagram() + items_diagram())
