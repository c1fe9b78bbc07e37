"""What core may import: the standard library and msgspec, and of the former nothing that reaches out.

Mypy checks the packages and the bench. What tests and scripts import of them is checked here.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from architecture.source import Module, bench, core, deploy, everything, suite

ALLOWED = {*sys.stdlib_module_names, "msgspec", "penstock"}

# The only modules that may import something; without any, the core never does it.
RESERVED: dict[str, tuple[str, ...]] = {
    "asyncio": (
        "penstock.engine",
        "penstock.responders",
        "penstock.endpoints",
        "penstock.service",
        "penstock.stores",
        "penstock.tools",
        "penstock.fetching",
    ),
    "sqlite3": ("penstock.stores",),
    "http.client": (),
    "http.server": (),
    "multiprocessing": (),
    "socket": (),
    "ssl": (),
    "subprocess": (),
    "urllib.request": (),
}


IMPORT = re.compile(r"\bfrom (penstock[\w.]*) import (?:\(([^)]*)\)|([\w, ]+))")


def within(name: str, *packages: str) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def test_core_imports_the_standard_library_and_msgspec() -> None:
    others = {f"{m.name}: {i}" for m in core() for i in m.imports() if i.split(".")[0] not in ALLOWED}
    assert not others


def test_what_reaches_out_stays_where_it_may() -> None:
    def trespasses(module: Module, imported: str) -> bool:
        return any(within(imported, name) and not within(module.name, *who) for name, who in RESERVED.items())

    assert not {f"{m.name}: {i}" for m in core() for i in m.imports() if trespasses(m, i)}


def test_no_module_of_core_imports_from_the_package_itself() -> None:
    """`from penstock import Thing` would carry a name past the layers; a module is fine."""
    rooms = {m.name.split(".")[1] for m in core() if "." in m.name}
    imports = [(m.name, i.split(".")) for m in core() for i in m.imports() if within(i, "penstock")]
    assert imports
    assert not [(name, parts) for name, parts in imports if len(parts) < 2 or parts[1] not in rooms]


def test_the_suite_imports_names_that_are_there() -> None:
    known = {module.name: names_of(module) for module in everything()}
    missing = [(m.name, i) for m in (*suite(), *bench(), *deploy()) for i in imported(m.text) if not is_there(i, known)]
    assert missing == []


def imported(text: str) -> Iterator[str]:
    """What a text imports of the packages, also in programs that it starts. Parsing all tests would take seconds."""
    for module, inner, names in IMPORT.findall(text):
        yield from (f"{module}.{name}" for name in re.findall(r"(\w+)(?: as \w+)?", inner or names))


def names_of(module: Module) -> set[str]:
    """The names at the top of a module, also those of its branches, and `*` where it makes further ones itself."""
    found = {name for node in statements(module.tree.body) for name in bound(node)}
    return found | {"*"} if "__getattr__" in found else found


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, and those within its `if` and `try`."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            handlers = [each for handler in getattr(node, "handlers", ()) for each in handler.body]
            yield from statements(
                [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)] + handlers
            )


def bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement binds."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        case ast.Assign() | ast.AnnAssign():
            yield from (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def is_there(imported: str, known: dict[str, set[str]]) -> bool:
    """Whether it is a module or a name in one, or is of other packages."""
    module, _, name = imported.rpartition(".")
    is_ours = imported.partition(".")[0] in ("penstock", "penstock_adapters")
    return not is_ours or imported in known or bool({name, "*"} & known.get(module, set()))


def test_what_a_text_imports() -> None:
    text = "from {}.a import b as c, d\nimport e\nfrom {}_adapters import (\n    f,\n    g as h,\n)\n"
    assert [*imported(text.replace("{}", "penstock"))] == [
        "penstock.a.b",
        "penstock.a.d",
        "penstock_adapters.f",
        "penstock_adapters.g",
    ]


def test_a_name_that_is_not_there_is_found() -> None:
    module = Module("penstock.a", Path("a.py"), "try:\n    import one\nexcept ImportError:\n    two = 2\n")
    known = {"penstock.a": names_of(module)}
    names = ("penstock.a", "penstock.a.one", "penstock.a.two", "os.path", "penstock.a.three", "penstock.b")
    assert [name for name in names if not is_there(name, known)] == ["penstock.a.three", "penstock.b"]
