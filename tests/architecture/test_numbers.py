"""Every number has a name: a bound in the middle of a function is hard to find."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from http import HTTPStatus

from architecture.source import Function, Module, core

PLAIN = {0, 1, 2, 60, 1000}
"""Ends and halves, the seconds of a minute, and the milliseconds of a second."""
STATUSES = {status.value for status in HTTPStatus}
EXEMPT = {
    "penstock.sse": "the offsets in the lines of a server-sent event, whose text stands beside them",
    "penstock.telemetry.formats": "the four digits of an escape in JSON",
    "penstock.dialects.synthetic": "a generator of texts: its numbers are the shapes of a date, a duration, a UUID",
}


def unnamed(function: Function) -> Iterator[int | float]:
    """The numbers in a function's body. A default of a parameter has the parameter's name."""
    defaults = {*function.args.defaults, *(default for default in function.args.kw_defaults if default)}
    for statement in function.body:
        for node in ast.walk(statement):
            bases = {id(node.args[1])} if _is_int_of_base(node) else set()
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.Constant) and child not in defaults and id(child) not in bases:
                    yield from _number(child.value)


def _is_int_of_base(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "int" and len(node.args) == 2


def _number(value: object) -> Iterator[int | float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and value not in PLAIN and not (isinstance(value, int) and value in STATUSES):
        yield value


def is_exempt(module: Module) -> bool:
    return any(f"{module.name}.".startswith(f"{name}.") for name in EXEMPT)


def test_every_number_has_a_name() -> None:
    found = {
        name: numbers
        for module in core()
        if not is_exempt(module)
        for name, function in module.functions()
        if (numbers := [*unnamed(function)])
    }
    assert not found, "give these a name above the functions of their module, or a setting in limits.py"


def test_what_is_exempt_needs_it() -> None:
    used = {name for name in EXEMPT for module in core() if f"{module.name}.".startswith(f"{name}.")}
    assert used == set(EXEMPT)


def test_an_unnamed_number_is_seen() -> None:
    [function] = ast.parse(
        "def f(x=7):\n  def g(): return 9\n  return x[:64], sleep(0.25), int(x, 16), 404, -1, x / 3, True"
    ).body
    assert isinstance(function, Function)
    assert sorted(unnamed(function)) == [0.25, 3, 9, 64]
