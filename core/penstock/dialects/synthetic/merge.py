"""Merging: the schema whose values satisfy both of two plain schemas.

It knows for each keyword how two of its values become one. Where both have a `pattern` or a `format`, the first is
used: a value that is made for one pattern rarely matches another. It follows no reference.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from .schema import AnySchema, Schema, type_of

ANYTHING = Schema()
MERGE_WORK = 20
"""The cost of merging two schemas, in units of work, without that of their entries."""
MULTIPLE_BITS_MAX = 1_024
"""The greatest common multiple, in bits. Python does not read whole numbers of more than 4,300 digits from JSON."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def merge(left: Schema, right: Schema) -> Schema | None:
    """A schema for values that satisfy both, or None where the types or the enumerations have no value in common."""
    if left == ANYTHING:
        return right
    if right == ANYTHING:
        return left
    changes: dict[str, Any] = {
        name: combine(getattr(left, name), getattr(right, name)) for name, combine in _KEYWORDS.items()
    }
    changes["additional_properties"] = _both(left.further_properties(), right.further_properties())
    changes["items"] = _both(left.further_items(), right.further_items())
    changes["properties"] = dict(_properties(left, right))
    changes["prefix_items"] = list(_prefix_items(left, right))
    merged = replace(left, **changes)
    return None if merged.type == [] or merged.enum == [] else merged


def merge_work(left: Schema, right: Schema) -> int:
    """The cost of merging two schemas, in units of work."""
    return MERGE_WORK + sum(
        len(each.properties) + len(each.required) + len(each.prefix_items) + len(each.enum or ())
        for each in (left, right)
    )


def values_of_types(values: list[Any], names: str | list[str] | None) -> list[Any]:
    """The values of an enumeration that have one of these types."""
    if names is None:
        return values
    named = {names} if isinstance(names, str) else set(names)
    if "number" in named:
        named.add("integer")
    return [value for value in values if type_of(value) in named]


def _both(left: AnySchema, right: AnySchema) -> AnySchema:
    """A schema for values that satisfy both schemas."""
    if left is True or right is False:
        return right
    return left if right is True or left is False else Schema(all_of=[left, right])


def _common_types(left: str | list[str] | None, right: str | list[str] | None) -> str | list[str] | None:
    if left is None or right is None:
        return right if left is None else left
    ours, theirs = _listed(left), _listed(right)
    return [name for name in ours if name in theirs or (name == "integer" and "number" in theirs)] + [
        name for name in theirs if name == "integer" and name not in ours and "number" in ours
    ]


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _common_values(left: list[Any] | None, right: list[Any] | None) -> list[Any] | None:
    if left is None or right is None:
        return right if left is None else left
    theirs = set(map(_as_key, right))
    return [value for value in left if _as_key(value) in theirs]


def _as_key(value: Any) -> bytes:
    """A key that equal values share: `1` and `1.0` are the same number."""
    return _encode(int(value) if isinstance(value, float) and value.is_integer() else value)


def _first(left: Any, right: Any) -> Any:
    return right if left is None else left


def _least(left: Any, right: Any) -> Any:
    return _first(left, right) if left is None or right is None else min(left, right)


def _greatest(left: Any, right: Any) -> Any:
    return _first(left, right) if left is None or right is None else max(left, right)


def _common_multiple(left: Any, right: Any) -> Any:
    """A multiple of both where both are integers, else the greater, which is often a multiple of the other."""
    if isinstance(left, int) and isinstance(right, int) and max(left, right).bit_length() <= MULTIPLE_BITS_MAX:
        return math.lcm(left, right)
    return _greatest(left, right)


def _properties(left: Schema, right: Schema) -> Iterator[tuple[str, AnySchema]]:
    """Every property of both. A schema that does not declare it applies its `additionalProperties`."""
    for name in {**left.properties, **right.properties}:
        ours = left.properties.get(name, left.further_properties())
        theirs = right.properties.get(name, right.further_properties())
        yield name, _both(ours, theirs)


def _prefix_items(left: Schema, right: Schema) -> Iterator[AnySchema]:
    """Every prefix item of both. A schema that does not declare it applies its `items`."""
    for index in range(max(len(left.prefix_items), len(right.prefix_items))):
        yield _both(_item(left, index), _item(right, index))


def _item(schema: Schema, index: int) -> AnySchema:
    return schema.prefix_items[index] if index < len(schema.prefix_items) else schema.further_items()


_KEYWORDS: dict[str, Callable[[Any, Any], Any]] = {
    "type": _common_types,
    "enum": _common_values,
    "required": lambda left, right: list(dict.fromkeys([*left, *right])),
    "property_names": _both,
    "min_properties": max,
    "max_properties": _least,
    "min_items": max,
    "max_items": _least,
    "unique_items": operator.or_,
    "min_length": max,
    "max_length": _least,
    "pattern": _first,
    "format": _first,
    "minimum": _greatest,
    "maximum": _least,
    "exclusive_minimum": _greatest,
    "exclusive_maximum": _least,
    "multiple_of": _common_multiple,
}
