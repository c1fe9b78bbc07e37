"""docs/errors.md lists every `code` that the server gives, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from documents.pages import ROOT
from penstock.engine.request import validation_errors
from penstock.spent_quota import INSUFFICIENT_QUOTA

ARGUMENTS = {"invalid": 2, "not_found": 1}
"""Where the code stands among the arguments of these functions; else it is given by name."""
NO_ERRORS = {"CodeInterpreterCallCodeDone"}
"""Calls whose `code` is a program's."""


def given_codes() -> set[str]:
    """The codes that stand in the code, and those that it puts together."""
    files = [file for package in ("core", "adapters") for file in (ROOT / package).rglob("*.py")]
    return {code for file in files for code in codes_in(file)} | set(codes_of_bounds())


def codes_in(file: Path) -> Iterator[str]:
    for call in (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name not in NO_ERRORS:
            given = [word.value for word in call.keywords if word.arg == "code"]
            given += call.args[ARGUMENTS[name] : ARGUMENTS[name] + 1] if name in ARGUMENTS else []
            yield from (node.value for value in given for node in ast.walk(value) if is_text(node))


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def codes_of_bounds() -> Iterator[str]:
    sizes = [*validation_errors._SIZES.values(), *((name, "value") for name in validation_errors._NUMBERS.values())]
    for name, unit in sizes:
        yield from (f"{name}_above_max_{unit}", f"{name}_below_min_{unit}")


def test_every_code_is_listed() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = [
        line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `") and not line.startswith("| `code`")
    ]
    listed = {code for row in rows for code in re.findall(r"`([a-z_0-9]+)`", row)}
    assert listed == given_codes() | {"invalid_prompt", INSUFFICIENT_QUOTA}  # they are chosen by conditions
