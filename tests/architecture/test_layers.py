"""The layers: a module imports only from lower ones. pyproject.toml defines them once; the page lists them."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from architecture.source import ROOT, core

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
PAGE = ROOT / "ARCHITECTURE.md"
BLOCK = re.compile(r"(?<=<!-- layers:begin -->\n).*?(?=<!-- layers:end -->)", re.DOTALL)


def layers() -> list[list[str]]:
    """The modules of each layer of the core, the lowest layer first; without those that are not there yet."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [each for each in document["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    known = {module.name for module in core()}
    rows = [[name.strip(" ()") for name in layer.split("|")] for layer in reversed(contract["layers"])]
    return [[name for name in names if f"penstock.{name}" in known] for names in rows]


def table() -> Iterator[str]:
    """A row for each module: its layer, its name, and the first sentence of its docstring."""
    about = {module.name: (ast.get_docstring(module.tree) or "").partition("\n")[0] for module in core()}
    yield "| layer | module | what it is |"
    yield "| --- | --- | --- |"
    for number, names in reversed([*enumerate(layers())]):
        for name in names:
            yield f"| {number} | `{name}` | {about[f'penstock.{name}']} |"


def test_every_contract_holds() -> None:
    """In a process of its own: the linter sets up logging for itself, and turns everybody else's off."""
    command = [sys.executable, "-c", LINT, "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_page_shows_the_contract(golden: Callable[[str | Path, str], None]) -> None:
    rows = "".join(f"{row}\n" for row in table())
    page, blocks = BLOCK.subn(lambda _: rows, PAGE.read_text(encoding="utf-8"))
    assert blocks == 1
    golden(PAGE, page)


def test_the_table_has_every_module() -> None:
    listed = {name for names in layers() for name in names}
    there = {module.name.removeprefix("penstock.") for module in core() if module.name.count(".") == 1}
    assert listed == there
    assert layers()[0] == ["wire"]
