"""The vocabulary is whole: every word has its line in a union, and every field is named where it is given."""

import ast
import importlib
from collections.abc import Iterator
from typing import get_args

import msgspec

from architecture.source import core
from penstock import wire

FAMILIES = [module for module in core() if module.name.startswith("penstock.wire.")]


def structs() -> Iterator[tuple[ast.ClassDef, type[msgspec.Struct]]]:
    """Every struct of every family: as it is written, and as it is."""
    for module in FAMILIES:
        loaded = importlib.import_module(module.name)
        for node in module.tree.body:
            kind = getattr(loaded, node.name) if isinstance(node, ast.ClassDef) else None
            if isinstance(node, ast.ClassDef) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                yield node, kind


def tagged(base: type[msgspec.Struct]) -> set[type]:
    """Those that define their own `type`, and so can travel."""
    return {kind for _, kind in structs() if issubclass(kind, base) and kind.__struct_config__.tag}


def test_there_are_structs_to_look_at() -> None:
    assert len(list(structs())) > 60


def test_annotations_are_evaluated_with_their_class() -> None:
    """Texts are evaluated for each decoder, which delays the first request."""
    assert not [module.name for module in FAMILIES if "__future__.annotations" in module.imports()]


def test_every_struct_is_keyword_only() -> None:
    """msgspec does not inherit it: each class sets it itself."""
    loose = [
        kind.__qualname__
        for node, kind in structs()
        if not any(word.arg == "kw_only" and ast.unparse(word.value) == "True" for word in node.keywords)
    ]
    assert not loose


def test_every_public_struct_can_be_had_from_the_front() -> None:
    public = {kind.__name__ for _, kind in structs() if not kind.__name__.startswith("_")}
    bases = {"Item", "Part", "Tool"}  # what families build on; `wire.Tool` is the union
    assert not public - bases - set(vars(wire))


def test_every_event_is_in_the_stream() -> None:
    assert tagged(wire.Event) == set(get_args(wire.StreamEvent))


def test_every_item_may_come_or_go() -> None:
    assert tagged(wire.Item) == {*get_args(wire.InputItem), *get_args(wire.OutputItem)}


def test_every_tool_may_be_offered() -> None:
    from penstock.wire import _base

    assert tagged(_base.Tool) == set(get_args(wire.Tool))
