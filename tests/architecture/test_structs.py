"""Structs pass between the functions of the core. Where a dict of anything does, what it holds has no fixed form."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from architecture.source import Module, core

FORMLESS = re.compile(r"\b(dict|Mapping|MutableMapping)\[str, (Any|object)\]")
MODULES = {
    "penstock.dialects.chat_completions.extras": "reasoning blocks, which go back to their provider as they came",
    "penstock.dialects.synthetic.values": "values of a JSON schema that a client wrote",
    "penstock.endpoints.openapi_document": "the OpenAPI document",
    "penstock.endpoints.schemas": "the JSON schemas in the OpenAPI document",
    "penstock.engine.upstreams.request_outline": "any JSON, of which only the keys are logged",
    "penstock.lenient": "JSON that does not fit its struct",
    "penstock.settings.effective": "the settings as a TOML document",
    "penstock.stores.sqlite.responses": "the columns of a row, by name",
    "penstock.telemetry.access_log": "the fields of a line of the log",
    "penstock.telemetry.formats": "the fields of a line of the log",
    "penstock.tool_calls.computer": "the JSON schema of a function's parameters",
    "penstock.tools.mcp.tool_caller": "the arguments of a tool, whose schema a server has",
    "penstock.tools.mcp.client": "the arguments of a tool, whose schema a server has",
    "penstock.transcript.item_writers": "keyword arguments that several structs share",
    "penstock.transcript.transcript": "keyword arguments of a copy",
    "penstock.dialects.chat_completions.signed_parts": "content parts with any keys of an upstream's own",
    "penstock.upstream_errors": "an upstream's error, in whatever form it comes",
}


def formless(module: Module) -> Iterator[str]:
    """The functions of a module that take or return a dict of anything, by that type or by a name for it."""
    aliases = [
        node.target.id
        for node in module.tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_alias_of_formless(node)
    ]
    pattern = re.compile("|".join([FORMLESS.pattern, *(rf"\b{alias}\b" for alias in aliases)]))
    for name, function in module.functions():
        if any(pattern.search(ast.unparse(annotation)) for annotation in _annotations(function)):
            yield name


def _is_alias_of_formless(node: ast.AnnAssign) -> bool:
    return ast.unparse(node.annotation) == "TypeAlias" and FORMLESS.search(ast.unparse(node)) is not None


def _annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    given = function.args
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        if argument.annotation is not None:
            yield argument.annotation
    if function.returns is not None:
        yield function.returns


def test_structs_pass_between_functions() -> None:
    assert {module.name for module in core() if any(formless(module))} == set(MODULES)


def test_a_dict_of_anything_is_seen() -> None:
    text = "A: TypeAlias = dict[str, Any]\ndef f(x: list[A]): ...\ndef g() -> Mapping[str, object]: ...\ndef h(x: B): 1"
    [module, *_] = core()
    assert [*formless(Module("m", module.path, text))] == ["m.f", "m.g"]
