"""Plain schemas: references and combinations worked out, until a schema is a list of simple ones to choose from.

It knows `$ref`, `allOf`, `anyOf` and `oneOf`, and how deep a value has to be. `oneOf` is read as `anyOf`: that no two
of its schemas take the same value is left to who wrote them. It never makes a value.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from .document import Document
from .merge import ANYTHING, among, merge, merge_work
from .schema import AnySchema, Schema

BRANCHES_MAX = 64
"""How many ways to satisfy one schema are looked at."""


class Plains:
    """The plain schemas of one document, each worked out once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._known: dict[int, list[Schema]] = {}
        self._fits: dict[tuple[int, int], bool] = {}
        self._kept: list[AnySchema] = []

    def of(self, schema: AnySchema) -> list[Schema]:
        """The simple schemas of which a value must satisfy one; none where there can be no value."""
        if isinstance(schema, bool):
            return [ANYTHING] if schema else []
        if id(schema) not in self._known:
            self._kept.append(schema)  # an id is taken for as long as its object lives
            self._known[id(schema)] = []  # a schema that is but a way to itself adds no branch
            self._known[id(schema)] = self._worked_out(schema)
        return self._known[id(schema)]

    def fits(self, schema: AnySchema, depth: int) -> bool:
        """Whether a value can be made that is at most `depth` objects and arrays deep."""
        return any(self.plain_fits(plain, depth) for plain in self.of(schema))

    def plain_fits(self, plain: Schema, depth: int) -> bool:
        """The same for a plain schema."""
        key = (id(plain), depth)
        if key not in self._fits:
            self._fits[key] = plain.enum is not None or any(
                self.type_fits(name, plain, depth) for name in plain.types()
            )
        return self._fits[key]

    def type_fits(self, name: str, plain: Schema, depth: int) -> bool:
        """The same for a value of one JSON type."""
        inner = _required(plain) if name == "object" else _required_items(plain) if name == "array" else []
        self._document.work.spend(len(inner))
        return not inner or (depth > 0 and all(self.fits(each, depth - 1) for each in inner))

    def _worked_out(self, schema: Schema) -> list[Schema]:
        groups: list[Sequence[AnySchema]] = [[part] for part in schema.all_of]
        if schema.ref is not None:
            groups.append([self._document.target(schema.ref)])
        groups += [group for group in (schema.any_of, schema.one_of) if group]
        plains = [_bare(schema)]
        for group in groups:
            options = [plain for part in group for plain in self.of(part)]
            plains = self._product(plains, options)
        return [plain for plain in map(_possible, plains) if plain is not None]

    def _product(self, plains: list[Schema], options: list[Schema]) -> list[Schema]:
        merged: list[Schema] = []
        for left in plains:
            for right in options[: BRANCHES_MAX - len(merged)]:
                self._document.work.spend(merge_work(left, right))
                both = merge(left, right)
                if both is not None:
                    merged.append(both)
        return merged


def _bare(schema: Schema) -> Schema:
    """The schema without its combinations."""
    if schema.ref is None and not (schema.all_of or schema.any_of or schema.one_of):
        return schema
    return replace(schema, ref=None, all_of=(), any_of=(), one_of=())


def _possible(plain: Schema) -> Schema | None:
    """The schema with those values only, if it lists any, that it allows."""
    if plain.enum is None:
        return plain
    values = among(plain.enum, plain.type)
    return replace(plain, enum=values) if values else None


def _required(plain: Schema) -> list[AnySchema]:
    return [plain.properties.get(name, plain.further_properties()) for name in plain.required]


def _required_items(plain: Schema) -> list[AnySchema]:
    rest = [plain.further_items()] if plain.min_items > len(plain.prefix_items) else []
    return [*plain.prefix_items[: plain.min_items], *rest]
