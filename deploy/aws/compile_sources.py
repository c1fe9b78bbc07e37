"""Compile the sources of a folder to bytecode beside them. The interpreter that runs this decides the version.

The bytecode has no docstrings and no assertions. That of Penstock has no annotations of functions either, which nothing
reads; those of classes are the fields of structs. Its tables of lines have one entry for each line where the compiler
writes one for each instruction. It is never compared with a source, since there is none.
"""

from __future__ import annotations

import ast
import importlib.util
import marshal
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import CodeType

OURS = ("penstock", "penstock_adapters")
UNCHECKED_HASH = 0b01
"""The flag of bytecode that belongs to a hash which is not checked (PEP 552)."""
UNIT_BYTES = 2
"""The length of a code unit."""
UNITS_MAX = 8
"""How many code units an entry of a table of lines has at most."""
ENTRY, LINE_ONLY, NO_LINE = 0x80, 13 << 3, 15 << 3
"""The first byte of an entry, without its number of code units (`Objects/locations.md` of CPython)."""


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


def with_short_lines(code: CodeType) -> CodeType:
    """The same code, and that in it, with a table of lines that is as short as it can be: a tenth of the bytecode."""
    constants = tuple(with_short_lines(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_linetable=b"".join(_entries(code)), co_consts=constants)


def _entries(code: CodeType) -> Iterator[bytes]:
    before = code.co_firstlineno
    for line, instructions in groupby(code.co_lines(), key=lambda each: each[2]):
        units = sum(end - start for start, end, _ in instructions) // UNIT_BYTES
        while units:
            count = min(units, UNITS_MAX)
            units -= count
            if line is None:
                yield bytes([ENTRY | NO_LINE | count - 1])
            else:
                yield bytes([ENTRY | LINE_ONLY | count - 1]) + _signed(line - before)
                before = line


def _signed(number: int) -> bytes:
    """A number in pieces of six bits, the lowest first. The lowest bit of all is the sign."""
    rest = -number << 1 | 1 if number < 0 else number << 1
    pieces = bytearray()
    while rest > 0x3F:
        pieces.append(rest & 0x3F | 0x40)
        rest >>= 6
    return bytes([*pieces, rest])


def compile_sources(folder: Path) -> None:
    """Write the bytecode of every source in a folder."""
    for path in folder.rglob("*.py"):
        source = path.read_bytes()
        name = path.relative_to(folder)
        tree = ast.parse(source, str(name))
        if name.parts[0] in OURS:
            tree = _WithoutAnnotations().visit(tree)
        code = with_short_lines(compile(tree, str(name), "exec", dont_inherit=True, optimize=2))
        header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little")
        path.with_suffix(".pyc").write_bytes(header + importlib.util.source_hash(source) + marshal.dumps(code))


if __name__ == "__main__":
    compile_sources(Path(sys.argv[1]))
