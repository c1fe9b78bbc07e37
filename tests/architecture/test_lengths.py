"""Lengths, with a ratchet.

The aims are 5 to 15 lines a function and 60 to 250 a module; these are the ends.
"""

import ast

from architecture.source import Function, everything

FUNCTION_LINES_MAX = 50
MODULE_LINES_MAX = 400
PARAMETERS_MAX = 8

# What is longer, and how long it is today. A number here may only shrink, until its line goes.
LONGER_FUNCTIONS: dict[str, int] = {}
LONGER_MODULES: dict[str, int] = {}
MORE_PARAMETERS = {
    "penstock.service.Service.__init__": 17,
    "penstock.engine.planning.plan.make_plan": 11,
    "penstock.transcript.reducer.Reducer.__init__": 9,
}


def test_functions_are_short() -> None:
    lengths = {
        name: (node.end_lineno or 0) - node.lineno + 1 for module in everything() for name, node in module.functions()
    }
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES_MAX} == LONGER_FUNCTIONS


def test_modules_are_short() -> None:
    lengths = {module.name: len(module.text.splitlines()) for module in everything()}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES_MAX} == LONGER_MODULES


def test_parameters_are_few() -> None:
    counts = {name: parameters(node) for module in everything() for name, node in module.functions()}
    assert {name: count for name, count in counts.items() if count > PARAMETERS_MAX} == MORE_PARAMETERS


def parameters(function: Function) -> int:
    """How many a caller may give: without the object of a method."""
    given = function.args
    names = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_all_kinds_of_parameters_count() -> None:
    [function] = ast.parse("def f(self, a, /, b, *, c=1): ...").body
    assert isinstance(function, Function)
    assert parameters(function) == 3
