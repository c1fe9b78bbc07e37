"""Values: JSON that satisfies a schema, made by chance and out of the user's words.

It knows how to choose among a schema's possibilities so that there always is an end: beyond a certain depth, or
number of values, it leaves out what may be left out and takes the flattest way. It never checks a value.
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
from .schema_normalize import Plains
from .seeded_random import Chance
from .strings import Wording, text

T = TypeVar("T")

DEPTHS = (4, 8, 16, 32)
"""How many objects and arrays may stand in each other: the first of these in which there is a value."""
DEPTH_SPARING = 3
"""From this depth on, nothing is made that may be left out."""
VALUES_SPARING = 100
"""After so many values, the same."""
COST_MAX = 10_000
"""A whole value's cost: one for each value in it, and one for every `COST_CHARS` that a string must have."""
COST_CHARS = 16
VALUE_WORK, NUMBER_WORK = 10, 40
"""What choosing how a value is made costs, and what a number costs beside that."""
ENTRIES_MAX = 2
"""How many entries an object or array has at most, if it is free."""
NULLS_ONE_IN = 8
"""How seldom null is thought of where something else may stand."""
TRIES_PER_ITEM = 32
"""How often an item is made anew that must differ from the others."""


def make(document: Document, chance: Chance, wording: Wording) -> Any:
    """A value for a document's root. Raises `ApiError` where there is none."""
    try:
        return _Maker(document, chance, wording).root()
    except NoValue as why:
        raise document.unusable(str(why)) from None
    except RecursionError:
        raise document.unusable("it is too involved.") from None


class _Maker:
    """Makes one value. `room` is how many objects and arrays may still stand in each other."""

    def __init__(self, document: Document, chance: Chance, wording: Wording) -> None:
        self._root = document.root
        self._plains = Plains(document)
        self._chance = chance
        self._wording = wording
        self._work = document.work
        self._patterns = Patterns(chance, document.work)
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
        self._work.spend(VALUE_WORK + len(every))
        plains = [plain for plain in every if self._plains.plain_fits(plain, room)]
        if not plains:
            raise NoValue("a part of it allows none.")
        plain = self._chosen(plains, room)
        if plain.enum is not None:
            return self._chance.pick(plain.enum)
        names = [name for name in plain.types() if self._plains.type_fits(name, plain, room)]
        return _BY_TYPE[self._chosen_type(names)](self, plain, room)

    def _chosen(self, plains: list[Schema], room: int) -> Schema:
        """One of the possibilities, and one of the flattest if it is time to end."""
        if self._is_sparing(room):
            plains = next(flat for depth in range(room + 1) if (flat := self._as_flat_as(plains, depth)))
        return self._mostly([plain for plain in plains if plain.types() != ["null"]], plains)

    def _as_flat_as(self, plains: list[Schema], depth: int) -> list[Schema]:
        self._work.spend(len(plains))
        return [plain for plain in plains if self._plains.plain_fits(plain, depth)]

    def _chosen_type(self, names: list[str]) -> str:
        name = self._mostly([name for name in names if name != "null"], names)
        if name not in _BY_TYPE:
            raise NoValue(f"there is no type '{name}'.")
        return name

    def _mostly(self, full: list[T], every: list[T]) -> T:
        """One of those that are more than null, if there are any, and seldom any of all."""
        if len(every) == 1:
            return every[0]
        return self._chance.pick(every if not full or self._chance.one_in(NULLS_ONE_IN) else full)

    def _is_sparing(self, room: int) -> bool:
        return self._depth - room >= DEPTH_SPARING or self._cost > VALUES_SPARING

    def _spend(self, cost: int) -> None:
        self._cost += cost
        if self._cost > COST_MAX:
            raise NoValue("its values are too large.")

    def _string(self, plain: Schema, room: int) -> str:
        self._spend(plain.min_length // COST_CHARS)
        return text(plain, self._chance, self._wording, self._patterns)

    def _number(self, make_number: Callable[[Schema, Chance], Bound], plain: Schema) -> Bound:
        self._work.spend(NUMBER_WORK)
        return make_number(plain, self._chance)

    def _may_hold(self, schema: AnySchema, room: int) -> bool:
        """Whether a value of the schema may stand within one for which there is this room."""
        return room > 0 and self._plains.fits(schema, room - 1)

    def _object(self, plain: Schema, room: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        required = dict.fromkeys(plain.required)
        count = len(required)
        self._work.spend(len(plain.required) + len(plain.properties))
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
        """Whether a property is made that need not be, beside so many others."""
        if not self._may_hold(schema, room) or count == plain.max_properties:
            return False
        return count < plain.min_properties or not (self._is_sparing(room) or self._chance.one_in(4))

    def _add_entries(self, made: dict[str, Any], plain: Schema, room: int) -> None:
        """Properties that were not declared: as many as are missing, and a few where an object is a dictionary."""
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
            raise NoValue("an array in it has too few items that may stand in it.")
        return made

    def _length(self, plain: Schema, room: int) -> int:
        wanted = plain.min_items
        if few := self._few(room):
            wanted = max(wanted, few, len(plain.prefix_items))
        return wanted if plain.max_items is None else min(wanted, plain.max_items)

    def _item(self, schema: AnySchema, room: int, seen: set[bytes] | None) -> Any:
        """An item, unlike those seen if these matter; nothing where no other is found."""
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
        """How many there are of what may be left out."""
        return 0 if self._is_sparing(room) else 1 + self._chance.below(ENTRIES_MAX)


_BY_TYPE: dict[str, Callable[[_Maker, Schema, int], Any]] = {
    "object": _Maker._object,
    "array": _Maker._array,
    "string": _Maker._string,
    "integer": lambda maker, plain, _: maker._number(integer, plain),
    "number": lambda maker, plain, _: maker._number(number, plain),
    "boolean": lambda maker, plain, _: maker._chance.one_in(2),
    "null": lambda maker, plain, _: None,
}
"""How a value of each type is made."""
