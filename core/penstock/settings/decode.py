"""Decoding settings: tables become structs, texts become numbers and lists, keys become secrets.

It knows types. The error of a wrong value names its source, and contains the value unless it may be a secret.
"""

from __future__ import annotations

import math
from itertools import chain
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from penstock.errors import suggestion
from penstock.secrets import REDACTED, Secret

from .sources import Given, Table
from .structs import SettingsError

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_VALUE_CHARS_MAX = 80
"""How much of a wrong value a message contains."""


def decode_table(kind: type[_Struct], table: Table, where: str) -> _Struct:
    """The struct of a table. A missing key has its default. `where` is the source of the table, for errors."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name, given in table.items():
        if name not in fields:
            # spec: mistaken-settings
            raise SettingsError(given.where, f"there is no such setting{suggestion(name, fields)}")
    for name, field in fields.items():
        if field.required and name not in table:
            raise SettingsError(where, f"`{name}` is missing")
    return kind(**{name: decode_value(fields[name].type, given) for name, given in table.items()})


def decode_value(kind: Any, given: Given) -> Any:
    """The value of a type that `msgspec` knows, or that contains secrets."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return decode_table(kind, given.table(), given.where)
    if get_origin(kind) is dict and isinstance(given.value, dict):
        keys, values = get_args(kind)
        return {
            decode_value(keys, Given(key, given.where)): decode_value(values, entry)
            for key, entry in given.table().items()
        }
    try:
        value = msgspec.convert(_split(kind, given), kind, strict=not given.is_text, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise _mistake(kind, given, str(error)) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(given.where, "expected a finite number")
    return value


def _split(kind: Any, given: Given) -> Any:
    """The value, where a text for a list is split at its commas."""
    if not given.is_text:
        return given.value
    try:
        given.value.encode()
    except UnicodeEncodeError:
        raise SettingsError(given.where, "not UTF-8") from None
    if get_origin(kind) is not list:
        return given.value
    entries = [entry for part in given.value.split(",") if (entry := part.strip())]
    if not entries:
        raise SettingsError(given.where, "there is nothing between the commas")
    return entries


def _mistake(kind: Any, given: Given, message: str) -> SettingsError:
    problem, _, path = message.partition(" - at `$")
    where = given.where + path.rstrip("`")
    # spec: listed-choices
    choices = _choices(kind)
    if choices:
        problem = "expected one of " + ", ".join(choices)
    if given.is_text and not _holds_secret(kind):
        problem = f"{problem.partition(', got ')[0]}, got {given.value[:_VALUE_CHARS_MAX]!r}"
    if choices and isinstance(given.value, str):
        problem += suggestion(given.value[:_VALUE_CHARS_MAX].lower(), choices)
    return SettingsError(where, problem[0].lower() + problem[1:])


def _choices(kind: Any) -> list[str]:
    """All values of a type that has only a few."""
    if kind is bool:
        return ["true", "false"]
    if get_origin(kind) is Literal:
        return [*get_args(kind)]
    if get_origin(kind) in (Union, UnionType):
        parts = [_choices(part) for part in get_args(kind) if part is not type(None)]
        return [*chain.from_iterable(parts)] if all(parts) else []
    return []


def _holds_secret(kind: Any) -> bool:
    return kind is Secret or any(_holds_secret(part) for part in get_args(kind))


def _secret(kind: type, value: object) -> Secret:
    """Decode `Secret`, the only type that `msgspec` does not know. No error contains the value."""
    if not isinstance(value, str):
        raise ValueError(f"Expected a `str`, got `{type(value).__name__}`")
    return secret(value)


def secret(text: str) -> Secret:
    """A secret that a header can contain. Raises `ValueError`, whose message does not contain it."""
    if text == REDACTED:
        raise ValueError(f"{REDACTED} is the mask of a secret: put the secret itself here")
    if not text.strip():
        raise ValueError("a secret must not be empty")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("a secret has printable ASCII characters only")
    return Secret(text)
