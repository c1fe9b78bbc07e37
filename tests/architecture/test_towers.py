"""No tower of tests over events: the tables define what an event does."""

import ast
from typing import get_args

from architecture.source import Function, everything
from penstock import wire

TESTS_MAX = 2
EVENTS = {event.__name__ for event in get_args(wire.StreamEvent)}


def names(node: ast.AST) -> set[str]:
    """Every name in an expression; of `wire.Created`, both."""
    found = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return found | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def is_type(node: ast.AST) -> bool:
    """Is it `x.type` or `type(x)`?"""
    match node:
        case ast.Attribute(attr="type") | ast.Call(func=ast.Name(id="type"), args=[_]):
            return True
    return False


def types_by_name(function: Function) -> set[str]:
    """The local names of a type: `kind` in `kind = event.type`, and in `(kind := type(event))`."""
    found: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_type(value):
                found.add(name)
            case ast.NamedExpr(target=ast.Name(id=name), value=value) if is_type(value):
                found.add(name)
    return found


def asks(node: ast.AST, types: set[str]) -> bool:
    """Is it `isinstance(x, Created)`, `x.type == …`, `kind == "…"`, `type(x) is Created` or `case Created()`?

    To look a type up in a table, as `type(x) in CALLS` does, is what a tower should have been.
    """
    match node:
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
            return is_event(kinds)
        case ast.MatchClass(cls=kind):
            return is_event(kind)
        case ast.Compare(left=left, comparators=[right]):
            if isinstance(left, ast.Attribute) and left.attr == "type":
                return not isinstance(right, ast.Name)
            sides = [side for side in (left, right) if not is_type(side) and not is_name_of(side, types)]
            return len(sides) == 1 and is_event(sides[0])
    return False


def is_event(node: ast.AST) -> bool:
    """Does it name an event, by its class or as a text?"""
    texts = (part for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))
    return bool(names(node) & EVENTS) or any(texts)


def is_name_of(node: ast.AST, types: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in types


def arms(node: ast.AST, types: set[str]) -> int:
    """How many arms a `match` over a type has."""
    if isinstance(node, ast.Match):
        subject = node.subject
        if is_type(subject) or is_name_of(subject, types):
            return len(node.cases)
    return 0


def type_tests(function: Function) -> int:
    types = types_by_name(function)
    return sum(asks(node, types) + arms(node, types) for node in ast.walk(function))


def test_no_function_is_a_tower() -> None:
    counts = {name: type_tests(node) for module in everything() for name, node in module.functions()}
    assert not {name: count for name, count in counts.items() if count > TESTS_MAX}


def test_a_tower_is_seen() -> None:
    tower = ast.parse(
        "def f(e):\n  isinstance(e, wire.Created | Failed)\n  e.type == 'x'\n  match e:\n    case Queued(): 1"
    )
    assert len(EVENTS) > 20
    assert [type_tests(node) for node in tower.body if isinstance(node, Function)] == [3]


def test_a_tower_over_a_local_variable_is_seen() -> None:
    tower = ast.parse(
        "def f(e):\n  kind = e.type\n  if kind == 'x': 1\n  elif 'y' == kind: 2\n  if type(e) is Created: 3\n"
        "  match (t := type(e)):\n    case 1: 4\n  match t:\n    case 1: 5\n    case 2: 6"
    )
    assert [type_tests(node) for node in tower.body if isinstance(node, Function)] == [5]
