"""What core may import: the standard library and msgspec, and of the former nothing that reaches out."""

import sys

from architecture.source import Module, core

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
