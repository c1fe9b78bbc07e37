"""Lenient decoding: a struct from JSON that does not match it. Values that cannot be converted are left out.

It is for replies of backends only, where one wrong value should not lose the whole answer. It is slow, so strict
decoding is tried first.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from .invalid_unicode import replace_lone_surrogates

T = TypeVar("T", bound=msgspec.Struct)

_ABSENT: Any = object()
_DIGITS_MAX = 100
"""The most digits of an integer. A longer one becomes a float."""


def loads(data: bytes) -> Any:
    """The value of JSON that may contain NaN, control characters and lone surrogates. Raises `ValueError`."""
    import json

    try:
        return json.loads(replace_lone_surrogates(data).decode(), strict=False, parse_int=_parse_int)
    except RecursionError:
        raise ValueError("JSON is nested too deep") from None


def _parse_int(digits: str) -> float:
    """An integer, or a float where it is too long."""
    return int(digits) if len(digits) <= _DIGITS_MAX else float(digits)


def fit(value: dict[str, Any], kind: type[T]) -> T:
    """The struct of an object. Raises `ValueError` where a required field is missing or cannot be converted."""
    try:
        fitted = _fit(value, _type_of(kind))
    except RecursionError:
        raise ValueError("JSON is nested too deep") from None
    if not isinstance(fitted, kind):
        raise ValueError(f"Expected the fields of {kind.__name__}")
    return fitted


@cache
def _type_of(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _fit(value: Any, kind: inspect.Type) -> Any:
    """The value as this type, or `_ABSENT` where it cannot be converted."""
    if isinstance(kind, inspect.UnionType):
        return _fit_union(value, kind)
    if isinstance(kind, inspect.StructType):
        return _fit_struct(value, kind) if isinstance(value, dict) else _ABSENT
    if isinstance(kind, inspect.ListType):
        return _fit_list(value, kind)
    if isinstance(kind, inspect.RawType):
        return msgspec.Raw(msgspec.json.encode(value))
    if isinstance(kind, inspect.AnyType):
        return value
    return _fit_scalar(value, kind)


def _fit_union(value: Any, kind: inspect.UnionType) -> Any:
    if value is None and any(isinstance(member, inspect.NoneType) for member in kind.types):
        return None
    members = sorted(kind.types, key=lambda member: isinstance(value, dict) and isinstance(member, inspect.ListType))
    fitted = (_fit(value, member) for member in members)
    return next((each for each in fitted if each is not _ABSENT), _ABSENT)


def _fit_struct(value: dict[str, Any], kind: inspect.StructType) -> Any:
    fields: dict[str, Any] = {}
    for field in kind.fields:
        if field.encode_name in value:
            fitted = _fit(value[field.encode_name], field.type)
            if fitted is not _ABSENT:
                fields[field.name] = fitted
        if field.required and field.name not in fields:
            return _ABSENT
    return kind.cls(**fields)


def _fit_list(value: Any, kind: inspect.ListType) -> Any:
    """The entries that can be converted. An object counts as a list of one."""
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return _ABSENT
    fitted = (_fit(entry, kind.item_type) for entry in value)
    return [entry for entry in fitted if entry is not _ABSENT]


def _fit_scalar(value: Any, kind: inspect.Type) -> Any:
    """A text or a number. A boolean is neither."""
    if isinstance(kind, inspect.BoolType):
        return value if isinstance(value, bool) else _ABSENT
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return _ABSENT
    if isinstance(kind, inspect.StrType):
        return str(value)
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _fit_number(value, is_int=isinstance(kind, inspect.IntType))
    return _ABSENT


def _fit_number(value: str | float, *, is_int: bool) -> Any:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return _ABSENT
    if not math.isfinite(number):
        return _ABSENT
    return int(number) if is_int else number
