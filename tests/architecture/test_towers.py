"""No tower of tests over events: the table and the folds say what an event does."""

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


def asks(node: ast.AST) -> bool:
    """Is it `isinstance(x, Created)`, `x.type == …`, `x.type in …` or `case Created()`?"""
    match node:
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
            return bool(names(kinds) & EVENTS)
        case ast.MatchClass(cls=kind):
            return bool(names(kind) & EVENTS)
        case ast.Compare(left=ast.Attribute(attr="type")):
            return True
    return False


def storeys(function: Function) -> int:
    return sum(asks(node) for node in ast.walk(function))


def test_no_function_is_a_tower() -> None:
    counts = {name: storeys(node) for module in everything() for name, node in module.functions()}
    assert not {name: count for name, count in counts.items() if count > TESTS_MAX}


def test_a_tower_is_seen() -> None:
    tower = ast.parse(
        "def f(e):\n  isinstance(e, wire.Created | Failed)\n  e.type == 'x'\n  match e:\n    case Queued(): 1"
    )
    assert len(EVENTS) > 20
    assert [storeys(node) for node in tower.body if isinstance(node, Function)] == [3]
