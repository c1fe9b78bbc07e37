"""Everything public has a docstring."""

import ast
import re

from architecture.source import core, everything

SENTENCE = re.compile(r"[A-Z].+\.")


def test_every_module_begins_with_a_sentence() -> None:
    docstrings = {module.name: ast.get_docstring(module.tree) or "" for module in everything()}
    assert not {name: text for name, text in docstrings.items() if not SENTENCE.fullmatch(text.partition("\n")[0])}


def test_every_public_class_and_function_of_core_has_a_docstring() -> None:
    docstrings = {
        f"{module.name}.{node.name}": ast.get_docstring(node)
        for module in core()
        for node in module.tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    public = {name for name in docstrings if "._" not in name}
    assert len(public) > 50
    assert not {name for name in public if not docstrings[name]}
