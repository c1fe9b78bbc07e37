"""Validation errors for the client: the parameter's path, what was expected, and what was sent.

It reads msgspec's messages, which have the path of a value but not the allowed values of an enumeration: those are
found in the struct's type.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from penstock.errors import ApiError, invalid, missing, shortened
from penstock.patterns import lazy_pattern
from penstock.wire import UNKNOWN

_PATH = lazy_pattern(r" - at `(?:key` in `)?\$(.*)`$")
_STEP = lazy_pattern(r"\.([^.\[\]]+)|\[(?:\d+|\.\.\.)\]")
_MISSING = lazy_pattern(r"Object missing required field `(\w+)`")
_BOUND = lazy_pattern(r"Expected `(int|float|str|array|object)`( of length)? (<=|>=|<|>) ([-+.e0-9]+)$")
"""msgspec's message for a value out of its range, or a text or list that is too short or too long."""
_SIZES = {"str": ("string", "length"), "array": ("array", "length"), "object": ("object", "properties")}
_NUMBERS = {"int": "integer", "float": "decimal"}
_UNITS = {"value": "a value", "length": "a length", "properties": "a number of properties"}
_GIVEN_CHARS_MAX = 100
_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def param_of(error: msgspec.ValidationError) -> str | None:
    """The path of the invalid value, such as `input[3].content`; None for the body itself."""
    path = _PATH.search(str(error))
    return path[1].lstrip(".") or None if path else None


def validation_error(error: msgspec.ValidationError, struct: type[msgspec.Struct]) -> ApiError:
    """The error for the client: 400."""
    problem = _PATH.sub("", str(error))
    param = param_of(error)
    if absent := _MISSING.match(problem):
        param = f"{param}.{absent[1]}" if param else absent[1]
        return missing(param)
    if param is None:
        return invalid(f"The body of the request is not what was expected: {_plain(problem)}.")
    if problem.startswith(("Invalid enum value", "Invalid value")):
        return unsupported_value(problem.split("value ", 1)[1], param, struct)
    # spec: openai-errors
    if bound := _BOUND.match(problem):
        return _out_of_bounds(param, *bound.groups())
    code = "invalid_type" if ", got " in problem else "invalid_value"
    return invalid(f"Invalid value for '{param}': {_plain(problem[:1].lower() + problem[1:])}.", param, code)


def _out_of_bounds(param: str, kind: str, of: str | None, sign: str, bound: str) -> ApiError:
    """A number, text or list that is too small or too large, with OpenAI's code for it."""
    is_above = sign.startswith("<")
    name, unit = _SIZES[kind] if of else (_NUMBERS[kind], "value")
    side = "above" if is_above else "below"
    code = f"{name}_{side}_{'max' if is_above else 'min'}_{unit}"
    limit = "maximum" if is_above else "minimum"
    message = f"Invalid '{param}': {name} {side} {limit} {unit}. Expected {_UNITS[unit]} {sign} {bound}."
    return invalid(message, param, code)


def unsupported_value(given: str, param: str, struct: type[msgspec.Struct]) -> ApiError:
    """The error for a value at `param` that is not allowed; the message lists the allowed values: 400."""
    choices = " and ".join(", ".join(f"'{word}'" for word in dict.fromkeys(_words(struct, param))).rsplit(", ", 1))
    message = f"Invalid value for '{param}': {shortened(given, _GIVEN_CHARS_MAX)}. Supported values are: {choices}."
    return invalid(message, param, "invalid_value")


def _plain(problem: str) -> str:
    """msgspec's text with JSON's names of types."""
    return re.sub(
        r"`([\w | ]+)`",
        lambda match: " or ".join(_NAMES.get(name, name) for name in match[1].split(" | ")),
        problem,
    )


def _words(struct: type[msgspec.Struct], param: str) -> list[str]:
    """The allowed values at `param`: those of a literal, or the tags of a union."""
    kinds: list[inspect.Type] = [inspect.type_info(struct)]
    for step in _STEP.finditer("." + param):
        name = step[1]
        if name == "type" and (tags := _tags(kinds)):
            return tags
        kinds = _flat(child for kind in kinds for child in _children(kind, name))
    return [str(value) for kind in kinds if isinstance(kind, inspect.LiteralType) for value in kind.values]


def _tags(kinds: list[inspect.Type]) -> list[str]:
    return [str(kind.tag) for kind in kinds if isinstance(kind, inspect.StructType) and kind.tag not in (None, UNKNOWN)]


def _children(kind: inspect.Type, name: str | None) -> list[inspect.Type]:
    """The types of the children of a value: by a field's name, or at any index or key."""
    if isinstance(kind, inspect.StructType):
        return [field.type for field in kind.fields if field.encode_name == name]
    if isinstance(kind, inspect.ListType):
        return [kind.item_type]
    if isinstance(kind, inspect.DictType):
        return [kind.value_type]
    return []


def _flat(kinds: Any) -> list[inspect.Type]:
    """The members of every union, instead of the unions."""
    flat: list[inspect.Type] = []
    for kind in kinds:
        flat += _flat(kind.types) if isinstance(kind, inspect.UnionType) else [kind]
    return flat
