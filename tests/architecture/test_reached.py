"""Every module is imported by another one, or is a program."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from architecture.source import Module, everything

PROGRAMS = {
    "penstock.__main__": "python -m penstock",
    "penstock.transcript.diagram": "python -m penstock.transcript.diagram, and the tests of the documents",
    "penstock_adapters.aws_lambda.__main__": "python -m penstock_adapters.aws_lambda",
    "penstock_adapters.azure_functions": "an entry point for users: deploy/azure",
    "penstock_adapters.cli.__main__": "python -m penstock_adapters.cli",
    "penstock_adapters.cloudflare.entry_point": "an entry point for users: the class that their Worker exports",
    "penstock_adapters.google_functions": "an entry point for users: deploy/google",
    "penstock_adapters.page_text.worker": "the process of page_text.extractor",
    "penstock_adapters.starlette": "an entry point for users: the app that they mount",
    "penstock_adapters.vercel": "an entry point for users: deploy/vercel",
}


def named(module: Module) -> Iterator[str]:
    """The names that the module imports, absolute, and those that stand in it as a text, for `import_module`."""
    for node in module.nodes:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                base = ".".join([*_package(module, level), *([source] if source else [])])
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Constant(value=str(text)):
                yield text


def _package(module: Module, level: int) -> list[str]:
    """The package from which a relative import of this level starts; of an absolute one, nothing."""
    if not level:
        return []
    steps = module.name.split(".")
    up = level - 1 if module.path.name == "__init__.py" else level
    return steps[: len(steps) - up]


def test_every_module_is_reached() -> None:
    modules = everything()
    reached = {name for module in modules for name in named(module) if name != module.name}
    alone = {module.name for module in modules if module.path.name != "__init__.py"} - reached
    assert alone == set(PROGRAMS)


def test_imports_are_read() -> None:
    [engine] = [module for module in everything() if module.name == "penstock.engine.engine"]
    written = "import a.b\nfrom .context import resolve\nfrom ..errors import x\nimport_module('c.d')"
    found = set(named(Module(engine.name, engine.path, written)))
    assert found == {
        "a.b",
        "penstock.engine.context",
        "penstock.engine.context.resolve",
        "penstock.errors",
        "penstock.errors.x",
        "c.d",
    }
