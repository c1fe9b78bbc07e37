"""Attributes: values of Python as DynamoDB's JSON has them, and back.

A row is a dict of values; a value that is None or empty is not stored. Numbers that are whole become `int`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

Value: TypeAlias = Any
"""A text, bytes, a number, a bool, or a mapping or list of them."""
Row: TypeAlias = dict[str, Value]
Written: TypeAlias = dict[str, Any]
"""An attribute in a request."""


class Attribute(msgspec.Struct, gc=False):
    """An attribute in a reply, which has one of the types."""

    S: str | UnsetType = UNSET
    N: str | UnsetType = UNSET
    B: bytes | UnsetType = UNSET
    BOOL: bool | UnsetType = UNSET
    M: dict[str, Attribute] | UnsetType = UNSET
    L: list[Attribute] | UnsetType = UNSET


def encode(value: Value) -> Written:
    """One attribute. Raises `TypeError` for a type that is never stored."""
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"no attribute for {type(value).__name__}")


def encode_row(row: Mapping[str, Value]) -> dict[str, Written]:
    """The attributes of a row."""
    return {name: encode(value) for name, value in row.items() if value is not None and value not in ("", b"")}


def decode(attribute: Attribute) -> Value:
    """The value of an attribute."""
    for kind, read in _READERS.items():
        written = getattr(attribute, kind)
        if written is not UNSET:
            return read(written)
    raise ValueError("an attribute of an unknown type")


def decode_row(attributes: Mapping[str, Attribute]) -> Row:
    """The values of a row."""
    return {name: decode(attribute) for name, attribute in attributes.items()}


def _number(written: str) -> int | float:
    return int(written) if written.lstrip("-").isdecimal() else float(written)


_WRITERS: dict[Any, Callable[[Any], Written]] = {
    bool: lambda value: {"BOOL": value},
    str: lambda value: {"S": value},
    bytes: lambda value: {"B": b64encode(value).decode()},
    int: lambda value: {"N": str(value)},
    float: lambda value: {"N": repr(value)},
    dict: lambda value: {"M": encode_row(value)},
    list: lambda value: {"L": [*map(encode, value)]},
}
"""By type; a bool is an int too, and comes first."""

_READERS: dict[str, Callable[[Any], Value]] = {
    "BOOL": bool,
    "S": str,
    "B": bytes,
    "N": _number,
    "M": decode_row,
    "L": lambda written: [*map(decode, written)],
}
