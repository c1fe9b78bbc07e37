"""JSON Schema as the model reads it: the keywords that restrict a value.

It knows the keywords that the model can satisfy. `not`, `if`, `contains`, `patternProperties`, `dependent*` and
`unevaluated*` are ignored. It never makes a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

Bound: TypeAlias = int | float
_NONE: Mapping[str, Any] = MappingProxyType({})
"""The default of `properties`. All schemas share one object, since a document may contain thousands of schemas."""


class Schema(msgspec.Struct, kw_only=True, rename="camel"):
    """One schema object. Forms of older drafts become those of draft 2020-12. A missing keyword has its default."""

    ref: str | None = msgspec.field(name="$ref", default=None)
    all_of: Sequence[bool | Schema] = ()
    any_of: Sequence[bool | Schema] = ()
    one_of: Sequence[bool | Schema] = ()

    type: str | list[str] | None = None
    nullable: bool = False
    enum: list[Any] | None = None
    const: Any = UNSET

    properties: Mapping[str, bool | Schema] = _NONE
    required: Sequence[str] = ()
    additional_properties: bool | Schema | None = None
    property_names: bool | Schema = True
    min_properties: int = 0
    max_properties: int | None = None

    items: bool | Schema | list[bool | Schema] | None = None
    prefix_items: Sequence[bool | Schema] = ()
    additional_items: bool | Schema | None = None
    min_items: int = 0
    max_items: int | None = None
    unique_items: bool = False

    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None

    minimum: Bound | None = None
    maximum: Bound | None = None
    exclusive_minimum: Bound | bool | None = None
    exclusive_maximum: Bound | bool | None = None
    multiple_of: Bound | None = None

    def __post_init__(self) -> None:
        if self.const is not UNSET:
            self.enum, self.const = [self.const], UNSET
        if isinstance(self.type, list):
            self.type = list(dict.fromkeys(self.type))
        if self.nullable and self.type:
            self.type, self.nullable = [*self.types(), "null"], False
        if isinstance(self.items, list):  # drafts before 2020-12 have no `prefixItems`
            self.prefix_items, self.items = self.items, self.additional_items
        if isinstance(
            self.exclusive_minimum, bool
        ):  # in draft 4, `minimum` is the bound, and this is whether it is exclusive
            self.exclusive_minimum = self.minimum if self.exclusive_minimum else None
        if isinstance(self.exclusive_maximum, bool):
            self.exclusive_maximum = self.maximum if self.exclusive_maximum else None

    def types(self) -> list[str]:
        """The JSON types that a value may have: those of `type`, or the type that the other keywords imply."""
        if self.type is None:
            return [_implied_type(self)]
        return [self.type] if isinstance(self.type, str) else self.type

    def further_items(self) -> AnySchema:
        """The schema of the items after `prefix_items`."""
        return True if self.items is None or isinstance(self.items, list) else self.items

    def further_properties(self) -> AnySchema:
        """The schema of the properties that are not declared."""
        return True if self.additional_properties is None else self.additional_properties


AnySchema: TypeAlias = bool | Schema


class NoValue(Exception):
    """No value satisfies the schema. The message is the reason."""


def _implied_type(schema: Schema) -> str:
    if schema.properties or schema.required or isinstance(schema.additional_properties, Schema):
        return "object"
    if schema.items or schema.prefix_items or schema.min_items:
        return "array"
    bounds = (schema.minimum, schema.maximum, schema.multiple_of, schema.exclusive_minimum)
    if any(bound is not None for bound in (*bounds, schema.exclusive_maximum)):
        return "number"
    return "object" if schema.min_properties else "string"


def type_of(value: Any) -> str:
    """The JSON type of a value. A number without a fraction is an integer, however it is written."""
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return _TYPES[type(value)]


_TYPES: dict[type[Any], str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
    type(None): "null",
}
