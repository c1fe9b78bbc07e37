"""A strict reader of the `openai` package's models: is this JSON exactly what that type defines?

Knows pydantic's fields and the typing words that the package uses; anything else is an error, so that a new
word in a newer package is noticed. Never coerces: `true` is no integer, `1` is no string.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Allowed = Mapping[tuple[str, str], Any]
Required = Mapping[str, tuple[str, ...]]
Words = Mapping[tuple[str, str], tuple[str, ...]]

SCALARS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    int: (int,),
    float: (int, float),
    type(None): (type(None),),
}
WORDS: dict[Any, str] = {
    Literal: "_of_literal",
    Union: "_of_union",
    types.UnionType: "_of_union",
    list: "_of_list",
    dict: "_of_dict",
}


class Shapes:
    """The package's types; `allowed` defines what keys may be beyond them, `required` what keys must be.

    `words` are what a key may contain beyond its type.
    """

    def __init__(
        self, allowed: Allowed | None = None, required: Required | None = None, words: Words | None = None
    ) -> None:
        self.allowed = allowed or {}
        self.words = words or {}
        self.required = required or {}

    def problems(self, kind: Any, value: Any, path: str = "$") -> Iterator[str]:
        """Everything about `value` that `kind` does not allow."""
        kind = bare(kind)
        word = get_origin(kind) or kind
        if word in SCALARS:
            yield from _of_scalar(kind, value, path)
        elif word in WORDS:
            yield from getattr(self, WORDS[word])(kind, value, path)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from self._of_model(kind, value, path)
        elif kind not in {object, Any}:
            raise TypeError(f"{path}: the package says {kind!r}, which this reader does not know")

    def _of_literal(self, kind: Any, value: Any, path: str) -> Iterator[str]:
        if not any(value == one and type(value) is type(one) for one in get_args(kind)):
            yield f"{path}: {value!r} is none of {get_args(kind)}"

    def _of_list(self, kind: Any, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for index, entry in enumerate(value):
            yield from self.problems(get_args(kind)[0], entry, f"{path}[{index}]")

    def _of_dict(self, kind: Any, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no object"
            return
        for key, entry in value.items():
            yield from self.problems(get_args(kind)[1], entry, f"{path}.{key}")

    def _of_model(self, model: type[BaseModel], value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no {model.__name__}"
            return
        fields = keys(model)
        required = {key for key, field in fields.items() if field.is_required()}
        for key in sorted((required | {*self.required.get(model.__name__, ())}) - value.keys()):
            yield f"{path}.{key}: missing, every {model.__name__} has it"
        for key, entry in value.items():
            if entry in self.words.get((model.__name__, key), ()):
                continue
            if key in fields:
                yield from self.problems(fields[key].annotation, entry, f"{path}.{key}")
            elif (model.__name__, key) in self.allowed:
                yield from self.problems(self.allowed[model.__name__, key], entry, f"{path}.{key}")
            else:
                yield f"{path}.{key}: no key of {model.__name__}"

    def _of_union(self, union: Any, value: Any, path: str) -> Iterator[str]:
        """One of them must fit; if none does, the complaints of the likeliest one are returned."""
        kinds = [kind for kind in get_args(union) if not _contradicts(bare(kind), value)]
        complaints = [list(self.problems(kind, value, path)) for kind in kinds or get_args(union)]
        yield from min(complaints, key=len)


@cache
def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model under their names in JSON."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


@cache
def bare(kind: Any) -> Any:
    """Without `Annotated` and type alias around it."""
    while get_origin(kind) is Annotated or hasattr(kind, "__value__"):
        kind = kind.__value__ if hasattr(kind, "__value__") else get_args(kind)[0]
    return kind


@cache
def tags(model: type[BaseModel]) -> tuple[str, ...]:
    """What `type` may contain in this model."""
    kind = bare(model.model_fields["type"].annotation) if "type" in model.model_fields else None
    kinds = get_args(kind) if get_origin(kind) is Union else (kind,)
    return tuple(tag for one in kinds if get_origin(one) is Literal for tag in get_args(one))


def members(union: Any) -> tuple[Any, ...]:
    """The types of a union, without wrappers; of anything else, the thing alone."""
    union = bare(union)
    if get_origin(union) not in {Union, types.UnionType}:
        return (union,)
    return tuple(member for kind in get_args(union) for member in members(kind))


def _of_scalar(kind: Any, value: Any, path: str) -> Iterator[str]:
    """A boolean is an integer to Python only."""
    if not isinstance(value, SCALARS[kind]) or (isinstance(value, bool) and kind is not bool):
        yield f"{path}: {value!r} is no {kind.__name__}"


def _contradicts(kind: Any, value: Any) -> bool:
    """The value names another `type` than this model has."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict)):
        return False
    known = tags(kind)
    return "type" in value and bool(known) and value["type"] not in known
