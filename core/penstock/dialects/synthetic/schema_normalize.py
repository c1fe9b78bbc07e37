"""Plain schemas: a schema with references and combinations becomes a list of alternatives without them.

It knows `$ref`, `allOf`, `anyOf` and `oneOf`, and how deep a value has to be. `oneOf` is read as `anyOf`: it does not
check that a value satisfies only one of the schemas. It never makes a value.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from .document import Document
from .merge import ANYTHING, merge, merge_work, values_of_types
from .schema import AnySchema, Schema

BRANCHES_MAX = 64
"""How many alternatives of one schema are considered."""


class PlainSchemas:
    """The plain schemas of one document. Each is computed once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._known: dict[int, list[Schema]] = {}
        self._fits: dict[tuple[int, int], bool] = {}
        self._referenced: list[AnySchema] = []

    def of(self, schema: AnySchema) -> list[Schema]:
        """The plain schemas, of which a value must satisfy one. It is empty where no value satisfies the schema."""
        if isinstance(schema, bool):
            return [ANYTHING] if schema else []
        if id(schema) not in self._known:
            self._referenced.append(schema)  # while it is referenced, no other object gets its id
            self._known[id(schema)] = []  # a schema that refers to itself adds no alternative
            self._known[id(schema)] = self._alternatives(schema)
        return self._known[id(schema)]

    def fits(self, schema: AnySchema, depth: int) -> bool:
        """Whether a value can be made that is at most `depth` objects and arrays deep."""
        return any(self.plain_fits(plain, depth) for plain in self.of(schema))

    def plain_fits(self, plain: Schema, depth: int) -> bool:
        """Whether a value of a plain schema can be made that is at most `depth` objects and arrays deep."""
        key = (id(plain), depth)
        if key not in self._fits:
            self._fits[key] = plain.enum is not None or any(
                self.type_fits(name, plain, depth) for name in plain.types()
            )
        return self._fits[key]

    def type_fits(self, name: str, plain: Schema, depth: int) -> bool:
        """Whether a value of one JSON type can be made that is at most `depth` objects and arrays deep."""
        inner = _required(plain) if name == "object" else _required_items(plain) if name == "array" else []
        self._document.budget.spend(len(inner))
        return not inner or (depth > 0 and all(self.fits(each, depth - 1) for each in inner))

    def _alternatives(self, schema: Schema) -> list[Schema]:
        groups: list[Sequence[AnySchema]] = [[part] for part in schema.all_of]
        if schema.ref is not None:
            groups.append([self._document.target(schema.ref)])
        groups += [group for group in (schema.any_of, schema.one_of) if group]
        plains = [_without_combinations(schema)]
        for group in groups:
            options = [plain for part in group for plain in self.of(part)]
            plains = self._product(plains, options)
        return [plain for plain in map(_with_possible_values, plains) if plain is not None]

    def _product(self, plains: list[Schema], options: list[Schema]) -> list[Schema]:
        merged: list[Schema] = []
        for left in plains:
            for right in options[: BRANCHES_MAX - len(merged)]:
                self._document.budget.spend(merge_work(left, right))
                both = merge(left, right)
                if both is not None:
                    merged.append(both)
        return merged


def _without_combinations(schema: Schema) -> Schema:
    """The schema without its references and combinations."""
    if schema.ref is None and not (schema.all_of or schema.any_of or schema.one_of):
        return schema
    return replace(schema, ref=None, all_of=(), any_of=(), one_of=())


def _with_possible_values(plain: Schema) -> Schema | None:
    """The schema with only those values of `enum` that have the right type. None where no value is left."""
    if plain.enum is None:
        return plain
    values = values_of_types(plain.enum, plain.type)
    return replace(plain, enum=values) if values else None


def _required(plain: Schema) -> list[AnySchema]:
    return [plain.properties.get(name, plain.further_properties()) for name in plain.required]


def _required_items(plain: Schema) -> list[AnySchema]:
    rest = [plain.further_items()] if plain.min_items > len(plain.prefix_items) else []
    return [*plain.prefix_items[: plain.min_items], *rest]
