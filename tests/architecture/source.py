"""The source of both packages, the tests, the bench and the scripts of `deploy`, parsed, and the names of all files."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = Function | ast.ClassDef


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree. Most rules look at all of them."""
        return list(ast.walk(self.tree))

    def definitions(self) -> Iterator[tuple[str, Definition]]:
        """Every class and function, however deep, with its dotted name."""
        yield from _definitions(self.tree, self.name)

    def functions(self) -> Iterator[tuple[str, Function]]:
        for name, node in self.definitions():
            if isinstance(node, Function):
                yield name, node

    def imports(self) -> Iterator[str]:
        """Every absolute import, dotted; `from a import b` gives `a.b`."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def core() -> list[Module]:
    return _modules(ROOT / "core", at_least=20)


@cache
def adapters() -> list[Module]:
    return _modules(ROOT / "adapters", at_least=2)


def everything() -> list[Module]:
    return core() + adapters()


@cache
def suite() -> list[Module]:
    return _modules(ROOT / "tests", at_least=300)


@cache
def bench() -> list[Module]:
    return _modules(ROOT / "bench", at_least=30)


@cache
def deploy() -> list[Module]:
    return _modules(ROOT / "deploy", at_least=5)


@cache
def ours() -> list[str]:
    """The names of all files that are committed or about to be: everything that git does not ignore."""
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({name for name in names if name and (ROOT / name).is_file()})


def _modules(root: Path, at_least: int) -> list[Module]:
    """A rule over no modules would hold forever: too few are an error."""
    prefix = f"{root.relative_to(ROOT)}/"
    found = [_module(ROOT / name, root) for name in ours() if name.startswith(prefix) and name.endswith(".py")]
    assert len(found) >= at_least, f"{root.name} has {len(found)} modules only: are the rules looking there?"
    return found


def _module(path: Path, root: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    return Module(name, path, text)


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            name = f"{prefix}.{child.name}"
            yield name, child
            yield from _definitions(child, name)
        else:
            yield from _definitions(child, prefix)
