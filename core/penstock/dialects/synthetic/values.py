"""Values: JSON that satisfies a schema, made at random and from the user's words.

It knows how to choose among a schema's alternatives so that the value always ends: beyond a certain depth or number of
values, it makes only what is required, and prefers the alternative that is least deep. It never validates a value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from .document import Document
from .numbers import integer, number
from .pattern import Patterns
from .schema import AnySchema, Bound, NoValue, Schema
from .schema_normalize import PlainSchemas
from .seeded_random import SeededRandom
from .strings import WordSource, text

T = TypeVar("T")

DEPTHS = (4, 8, 16, 32)
"""How deep objects and arrays may be nested. The first of these depths that a value fits into is used."""
DEPTH_MINIMAL = 3
"""From this depth on, only required values are made."""
VALUES_MINIMAL = 100
"""After this many values, only required values are made."""
COST_MAX = 10_000
"""The cost of a whole value: one for each value in it, and one for every `COST_CHARS` characters of `minLength`."""
COST_CHARS = 16
VALUE_WORK, NUMBER_WORK = 10, 40
"""The cost of making any value, and the cost of a number beside that, in units of work."""
ENTRIES_MAX = 2
"""How many entries an object or array has at most, where its schema does not state it."""
NULLS_ONE_IN = 8
"""Null is considered once in this many times, where another value is allowed."""
TRIES_PER_ITEM = 32
"""How many times an item is made, for each item before it, until it differs from all of them."""


def make_value(document: Document, random: SeededRandom, words: WordSource) -> Any:
    """A value that satisfies the document's root. Raises `ApiError` where there is none."""
    try:
        return _ValueMaker(document, random, words).root()
    except NoValue as reason:
        raise document.unusable(str(reason)) from None
    except RecursionError:
        raise document.unusable("it is too involved.") from None


class _ValueMaker:
    """Makes one value. `room` is how many levels of objects and arrays may still be nested."""

    def __init__(self, document: Document, random: SeededRandom, words: WordSource) -> None:
        self._root = document.root
        self._plains = PlainSchemas(document)
        self._random = random
        self._words = words
        self._budget = document.budget
        self._patterns = Patterns(random, document.budget)
        self._depth = 0
        self._cost = 0

    def root(self) -> Any:
        """The whole value."""
        for depth in DEPTHS:
            if self._plains.fits(self._root, depth):
                self._depth = depth
                return self._value(self._root, depth)
        raise NoValue("it allows none, or none that ends soon.")

    def _value(self, schema: AnySchema, room: int) -> Any:
        self._spend(1)
        every = self._plains.of(schema)
        self._budget.spend(VALUE_WORK + len(every))
        plains = [plain for plain in every if self._plains.plain_fits(plain, room)]
        if not plains:
            raise NoValue("a part of it allows none.")
        plain = self._chosen(plains, room)
        if plain.enum is not None:
            return self._random.pick(plain.enum)
        names = [name for name in plain.types() if self._plains.type_fits(name, plain, room)]
        return _BY_TYPE[self._chosen_type(names)](self, plain, room)

    def _chosen(self, plains: list[Schema], room: int) -> Schema:
        """One of the alternatives. Where only required values are made, it is one of those that are least deep."""
        if self._is_minimal(room):
            plains = next(flat for depth in range(room + 1) if (flat := self._as_flat_as(plains, depth)))
        return self._mostly([plain for plain in plains if plain.types() != ["null"]], plains)

    def _as_flat_as(self, plains: list[Schema], depth: int) -> list[Schema]:
        self._budget.spend(len(plains))
        return [plain for plain in plains if self._plains.plain_fits(plain, depth)]

    def _chosen_type(self, names: list[str]) -> str:
        name = self._mostly([name for name in names if name != "null"], names)
        if name not in _BY_TYPE:
            raise NoValue(f"there is no type '{name}'.")
        return name

    def _mostly(self, not_null: list[T], every: list[T]) -> T:
        """Mostly one of `not_null`, the choices other than null, if there are any. Else any choice."""
        if len(every) == 1:
            return every[0]
        return self._random.pick(every if not not_null or self._random.one_in(NULLS_ONE_IN) else not_null)

    def _is_minimal(self, room: int) -> bool:
        return self._depth - room >= DEPTH_MINIMAL or self._cost > VALUES_MINIMAL

    def _spend(self, cost: int) -> None:
        self._cost += cost
        if self._cost > COST_MAX:
            raise NoValue("its values are too large.")

    def _string(self, plain: Schema, room: int) -> str:
        self._spend(plain.min_length // COST_CHARS)
        return text(plain, self._random, self._words, self._patterns)

    def _number(self, make_number: Callable[[Schema, SeededRandom], Bound], plain: Schema) -> Bound:
        self._budget.spend(NUMBER_WORK)
        return make_number(plain, self._random)

    def _may_hold(self, schema: AnySchema, room: int) -> bool:
        """Whether a value of the schema fits into a value that has this room."""
        return room > 0 and self._plains.fits(schema, room - 1)

    def _object(self, plain: Schema, room: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        required = dict.fromkeys(plain.required)
        count = len(required)
        self._budget.spend(len(plain.required) + len(plain.properties))
        for name, schema in plain.properties.items():
            if name in required or self._is_wanted(schema, room, count, plain):
                made[name] = self._value(schema, room - 1)
                count += name not in required
        for name in required:
            if name not in made:
                made[name] = self._value(plain.further_properties(), room - 1)
        self._add_entries(made, plain, room)
        return made

    def _is_wanted(self, schema: AnySchema, room: int, count: int, plain: Schema) -> bool:
        """Whether an optional property is made, beside `count` others."""
        if not self._may_hold(schema, room) or count == plain.max_properties:
            return False
        return count < plain.min_properties or not (self._is_minimal(room) or self._random.one_in(4))

    def _add_entries(self, made: dict[str, Any], plain: Schema, room: int) -> None:
        """Add undeclared properties: as many as are missing, and a few where the object is a dictionary."""
        least = plain.min_properties - len(made)
        is_dictionary = isinstance(plain.additional_properties, Schema) and not plain.properties
        count = max(least, self._few(room) if is_dictionary else 0)
        if plain.max_properties is not None:
            count = min(count, plain.max_properties - len(made))
        if count > 0 and self._may_hold(plain.further_properties(), room):
            for key in self._keys(plain, made, count):
                made[key] = self._value(plain.further_properties(), room - 1)
        if len(made) < plain.min_properties:
            raise NoValue("an object in it has too few properties.")

    def _keys(self, plain: Schema, made: dict[str, Any], count: int) -> list[str]:
        keys: dict[str, None] = {}
        for _ in range(TRIES_PER_ITEM * count):
            key = self._value(plain.property_names, 0)
            if isinstance(key, str) and key not in made:
                keys[key] = None
            if len(keys) == count:
                break
        return list(keys)

    def _array(self, plain: Schema, room: int) -> list[Any]:
        made: list[Any] = []
        seen: set[bytes] | None = set() if plain.unique_items else None
        for index in range(self._length(plain, room)):
            schema = plain.prefix_items[index] if index < len(plain.prefix_items) else plain.further_items()
            item = self._item(schema, room, seen) if self._may_hold(schema, room) else UNSET
            if item is UNSET:
                break
            made.append(item)
        if len(made) < plain.min_items:
            raise NoValue("an array in it has too few allowed items.")
        return made

    def _length(self, plain: Schema, room: int) -> int:
        wanted = plain.min_items
        if few := self._few(room):
            wanted = max(wanted, few, len(plain.prefix_items))
        return wanted if plain.max_items is None else min(wanted, plain.max_items)

    def _item(self, schema: AnySchema, room: int, seen: set[bytes] | None) -> Any:
        """An item. Where `seen` is given, it differs from those; it is `UNSET` where no such item is found."""
        if seen is None:
            return self._value(schema, room - 1)
        for _ in range(TRIES_PER_ITEM * (1 + len(seen))):
            item = self._value(schema, room - 1)
            key = msgspec.json.encode(item)
            if key not in seen:
                seen.add(key)
                return item
        return UNSET

    def _few(self, room: int) -> int:
        """How many optional entries are made."""
        return 0 if self._is_minimal(room) else 1 + self._random.below(ENTRIES_MAX)


_BY_TYPE: dict[str, Callable[[_ValueMaker, Schema, int], Any]] = {
    "object": _ValueMaker._object,
    "array": _ValueMaker._array,
    "string": _ValueMaker._string,
    "integer": lambda maker, plain, _: maker._number(integer, plain),
    "number": lambda maker, plain, _: maker._number(number, plain),
    "boolean": lambda maker, plain, _: maker._random.one_in(2),
    "null": lambda maker, plain, _: None,
}
"""The method that makes a value of each type."""
