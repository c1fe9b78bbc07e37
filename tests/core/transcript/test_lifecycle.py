"""The tables are whole: every event has its place, every object its machine, every state a way in and a way out."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from penstock import wire
from penstock.transcript.lifecycle import DONE, MACHINES, OPEN, RESPONSE, TERMINAL, Machine
from requirements import shows

EVENTS: tuple[type[wire.Event], ...] = get_args(wire.StreamEvent)
each_machine = pytest.mark.parametrize("cls", MACHINES, ids=lambda cls: cls.__name__)


def events_of(machine: Machine) -> set[type[wire.Event]]:
    return {event for ways in machine.values() for event in ways}


def opened() -> Iterator[type[Any]]:
    """Every class of object that an event may begin."""
    for event in EVENTS:
        if event.fold.operation == "open":
            kind = next(field.type for field in msgspec.structs.fields(event) if field.name == event.fold.names[0])
            yield from get_args(kind) or (kind,)


def beginning(cls: type[Any]) -> str:
    return "new" if cls is wire.Response else OPEN


def ends(cls: type[Any]) -> frozenset[str]:
    return TERMINAL if cls is wire.Response else frozenset({DONE})


def test_every_event_may_come_at_some_time() -> None:
    assert set().union(*map(events_of, MACHINES.values())) == set(EVENTS)


def test_every_object_that_can_be_opened_has_a_machine() -> None:
    assert set(opened()) == MACHINES.keys() - {wire.Response}


@each_machine
def test_every_state_can_be_reached(cls: type[Any]) -> None:
    reached = {beginning(cls)}
    for _ in MACHINES[cls]:
        reached |= {end for state in reached & MACHINES[cls].keys() for end in MACHINES[cls][state].values()}
    assert reached == MACHINES[cls].keys() | ends(cls)


@each_machine
def test_every_state_leads_to_an_end(cls: type[Any]) -> None:
    """And an end leads nowhere: it is in no table."""
    ending = set(ends(cls))
    assert not ending & MACHINES[cls].keys()
    for _ in MACHINES[cls]:
        ending |= {state for state, ways in MACHINES[cls].items() if ending & set(ways.values())}
    assert ending >= MACHINES[cls].keys()


@shows("pairs")
@each_machine
def test_an_object_ends_by_an_event_that_carries_it_whole(cls: type[Any]) -> None:
    words = {
        (event.fold.operation, end in ends(cls))
        for ways in MACHINES[cls].values()
        for event, end in ways.items()
        if event.fold.operation in {"adopt", "close"}
    }
    assert words == ({("adopt", False), ("adopt", True)} if cls is wire.Response else {("close", True)})


def test_there_is_one_terminal_event_to_each_terminal_state() -> None:
    endings = [(event, end) for event, end in RESPONSE["in_progress"].items() if end in TERMINAL]
    assert [(event.__name__.lower(), end) for event, end in endings] == [(end, end) for _, end in endings]
    assert {end for _, end in endings} == TERMINAL == {"completed", "incomplete", "failed"}
