"""Compile the sources of a folder to bytecode beside them. The interpreter that runs this decides the version.

The bytecode has no docstrings and no assertions. That of Penstock has no annotations of functions either, which nothing
reads; those of classes are the fields of structs. It is never compared with a source, since there is none.
"""

from __future__ import annotations

import ast
import importlib.util
import marshal
import sys
from pathlib import Path

OURS = ("penstock", "penstock_adapters")
UNCHECKED_HASH = 0b01
"""The flag of bytecode that belongs to a hash which is not checked (PEP 552)."""


class _WithoutAnnotations(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._strip(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        self._strip(node)
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        node.body = [_plain(each) for each in node.body]
        return ast.fix_missing_locations(node)

    def _strip(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.generic_visit(node)
        node.returns = None
        given = node.args
        for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if argument is not None:
                argument.annotation = None


def _plain(statement: ast.stmt) -> ast.stmt:
    """An assignment with an annotation without it."""
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return ast.copy_location(ast.Assign([statement.target], statement.value), statement)
    return statement


def compile_sources(folder: Path) -> None:
    """Write the bytecode of every source in a folder."""
    for path in folder.rglob("*.py"):
        source = path.read_bytes()
        name = path.relative_to(folder)
        tree = ast.parse(source, str(name))
        if name.parts[0] in OURS:
            tree = _WithoutAnnotations().visit(tree)
        code = compile(tree, str(name), "exec", dont_inherit=True, optimize=2)
        header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little")
        path.with_suffix(".pyc").write_bytes(header + importlib.util.source_hash(source) + marshal.dumps(code))


if __name__ == "__main__":
    compile_sources(Path(sys.argv[1]))
