"""The grammar: options as a text, `tokens=256&ttft_ms=lognormal(120,0.3)&profile=slow`.

It is a table of readers, made from the fields of `SyntheticOptions`. A text changes only the options that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from types import NoneType
from typing import Any, NamedTuple, TypeAlias, get_args

import msgspec
from msgspec.structs import replace

from penstock.errors import quoted

from .distributions import NO_TABLES, Distribution, DistributionError, QuantileTable, parse
from .fields import DEFAULTS, SyntheticOptions
from .mistake import Mistake
from .numerals import read_number, read_whole

PROFILE = "profile"
"""The name that stands for all options of a profile. Options beside it override those of the profile."""
TEXT_CHARS_MAX = 2_000
"""The characters of a text with options."""
Tables: TypeAlias = Mapping[str, QuantileTable]


class Option(NamedTuple):
    """One option: how its value is read, and between which bounds it is."""

    name: str
    read: Callable[[str], float] | None
    """None where the value is a distribution."""
    low: float
    high: float
    help: str
    default: Any

    def value(self, text: str, tables: Tables) -> Any:
        """The value of a text. Raises `Mistake`."""
        value = _distribution(text, tables) if self.read is None else self.read(text)
        numbers = _parameters(value) if isinstance(value, Distribution) else [value]
        if not all(self.low <= number <= self.high for number in numbers):
            raise Mistake(0, f"{quoted(text)} is not from {self.low:,} to {self.high:,}.")
        return value


class _Part(NamedTuple):
    """One part of a text, with the offsets of its name and of its value."""

    name: str
    value: str
    offset: int

    @property
    def value_offset(self) -> int:
        return self.offset + len(self.name) + 1


@cache
def table() -> dict[str, Option]:
    """All options by name."""
    return {field.name: _option(field) for field in msgspec.structs.fields(SyntheticOptions)}


def read_options(
    text: str,
    base: SyntheticOptions = DEFAULTS,
    profiles: Mapping[str, str] | None = None,
    tables: Tables = NO_TABLES,
) -> SyntheticOptions:
    """The options of a text. Those that it does not name are as in `base`. Raises `Mistake`.

    Without `profiles`, it is the text of one.
    """
    if len(text) > TEXT_CHARS_MAX:
        raise Mistake(TEXT_CHARS_MAX, f"The options have more than {TEXT_CHARS_MAX:,} characters.")
    parts = list(_parts(text))
    for part in parts:
        if part.name == PROFILE:
            base = _profile(part, base, profiles, tables)
    return replace(base, **{part.name: _value(part, tables) for part in parts if part.name != PROFILE})


def _option(field: msgspec.structs.FieldInfo) -> Option:
    kind, meta = get_args(field.type)
    read = _READERS.get(next(each for each in get_args(kind) or (kind,) if each is not NoneType))
    return Option(field.name, read, meta.ge, meta.le, meta.description, field.default)


_READERS: dict[type, Callable[[str], float]] = {int: read_whole, float: read_number}


def _distribution(text: str, tables: Tables) -> Distribution:
    try:
        return parse(text, tables)
    except DistributionError as error:
        raise Mistake(error.offset, error.message) from None


def _parameters(distribution: Distribution) -> Iterator[float]:
    """The parameters of a distribution. `max` is only a bound, and is not among them."""
    for name in distribution.__struct_fields__:
        value = getattr(distribution, name)
        if isinstance(value, QuantileTable):
            yield from (value.values[0], value.values[-1])
        elif name != "max":
            yield value


def _parts(text: str) -> Iterator[_Part]:
    """The parts of a text. Raises `Mistake` for an empty one, and for a name that is used twice."""
    seen: set[str] = set()
    offset = 0
    for part in text.split("&"):
        name, mark, value = part.partition("=")
        if not mark:
            raise Mistake(offset, f"{quoted(part)} is not 'name=value'.")
        if name not in table() and name != PROFILE:
            raise Mistake(offset, f"There is no option {quoted(name)}{_similar(name, [*table(), PROFILE])}")
        if name in seen:
            raise Mistake(offset, f"The option '{name}' is there twice.")
        seen.add(name)
        yield _Part(name, value, offset)
        offset += len(part) + 1


def _value(part: _Part, tables: Tables) -> Any:
    try:
        return table()[part.name].value(part.value, tables)
    except Mistake as mistake:
        raise Mistake(part.value_offset + mistake.offset, f"'{part.name}': {mistake.message}") from None


def _profile(
    part: _Part, base: SyntheticOptions, profiles: Mapping[str, str] | None, tables: Tables
) -> SyntheticOptions:
    if profiles is None:
        raise Mistake(part.value_offset, "A profile cannot have another one.")
    if part.value not in profiles:
        similar = _similar(part.value, [*profiles])
        raise Mistake(part.value_offset, f"There is no profile {quoted(part.value)}{similar}")
    return read_options(profiles[part.value], base, tables=tables)


def _similar(name: str, names: list[str]) -> str:
    """The end of a sentence: a name that is similar, if there is one."""
    close = get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else "."
