"""Distributions: numbers that vary from draw to draw, such as the milliseconds between two tokens.

It knows the text form, `lognormal(120,0.3)`, and draws from each distribution with the numbers of a `SeededRandom`, so
that the draws repeat. No value is negative. It never reads a file: `read_table` gets the content of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import cos, exp, isfinite, log, sqrt, tau
from typing import TypeAlias

import msgspec

from penstock.dialects.synthetic.seeded_random import SeededRandom
from penstock.errors import quoted

VALUE_MAX = 1e9
"""The largest value of a parameter, and of a draw."""
SIGMA_MAX = 10.0
SHAPE_MIN, SHAPE_MAX = 0.01, 1e6
TABLE_QUANTILES = 1_001
"""How many quantiles of a measured table are used at most: a longer one is reduced to one for each 0.1 %."""
TABLE_VALUES_MAX = 1_000_000
NO_TABLES: Mapping[str, QuantileTable] = {}

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_CALL = re.compile(r"\s*([A-Za-z_]+)\s*\(")
_NAMED = re.compile(r"\s*([a-z]+)\s*=")


class DistributionError(ValueError):
    """A text that is no distribution. `offset` is the index of the character where the mistake is."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """What all distributions have in common. A draw below `min` counts as `min`, and one above `max` as `max`."""

    min: float = 0.0
    max: float = VALUE_MAX

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float):
                _check(name, value, 0.0, VALUE_MAX)
        if self.min > self.max:
            raise DistributionError("'min' is greater than 'max'.")

    def draw(self, random: SeededRandom) -> float:
        """The next value."""
        # spec: synthetic-distributions
        value = self._sample(random)
        if value < self.min:
            return self.min
        return min(self.max, value)

    def _sample(self, random: SeededRandom) -> float:
        """The next value, from minus infinity to infinity."""
        raise NotImplementedError

    def __str__(self) -> str:
        """The text form."""
        parts = [_text(getattr(self, name)) for name in _required(type(self))]
        if self.min > 0:
            parts.append(f"min={_text(self.min)}")
        if self.max < VALUE_MAX:
            parts.append(f"max={_text(self.max)}")
        return f"{type(self).__name__.lower()}({','.join(parts)})"


class Constant(Distribution, frozen=True):
    """Always the same value."""

    value: float

    def draw(self, random: SeededRandom) -> float:
        """The value. It needs no random number."""
        return self.value

    def __str__(self) -> str:
        """The value."""
        return _text(self.value)


class Uniform(Distribution, frozen=True):
    """Each value from `low` to `high` is equally probable."""

    low: float
    high: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise DistributionError("'low' is greater than 'high'.")

    def _sample(self, random: SeededRandom) -> float:
        return self.low + (self.high - self.low) * random.unit()


class Normal(Distribution, frozen=True):
    """The normal distribution, by its mean and its standard deviation."""

    mean: float
    sd: float

    def _sample(self, random: SeededRandom) -> float:
        return self.mean + self.sd * _standard_normal(random)


class Lognormal(Distribution, frozen=True):
    """The distribution whose logarithm is normal, by its median and the standard deviation of the logarithm."""

    median: float
    sigma: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("sigma", self.sigma, 0.0, SIGMA_MAX)

    def _sample(self, random: SeededRandom) -> float:
        return self.median * exp(self.sigma * _standard_normal(random))


class Gamma(Distribution, frozen=True):
    """The gamma distribution. Its mean is `shape` times `scale`; a shape of 1 is the exponential distribution."""

    shape: float
    scale: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("shape", self.shape, SHAPE_MIN, SHAPE_MAX)

    def _sample(self, random: SeededRandom) -> float:
        if self.shape >= 1:
            return self.scale * _standard_gamma(self.shape, random)
        return self.scale * _standard_gamma(self.shape + 1, random) * exp(log(1 - random.unit()) / self.shape)


class QuantileTable(msgspec.Struct, frozen=True):
    """The quantiles of measured values, in ascending order and at equal distances from 0 % to 100 %."""

    name: str
    values: tuple[float, ...]


class Quantiles(Distribution, frozen=True):
    """The distribution of a table. Between two quantiles each value is equally probable."""

    table: QuantileTable

    def _sample(self, random: SeededRandom) -> float:
        return _quantile(self.table.values, random.unit())


Parameter: TypeAlias = float | QuantileTable

KINDS: Mapping[str, type[Distribution]] = {
    kind.__name__.lower(): kind for kind in (Constant, Uniform, Normal, Lognormal, Gamma, Quantiles)
}
"""The distributions by their names. The fields of each are its parameters, in this order."""


def parse(text: str, tables: Mapping[str, QuantileTable] = NO_TABLES) -> Distribution:
    """The distribution of a text: a number, or a name with parameters. Raises `DistributionError`."""
    call = _CALL.match(text)
    if call is None:
        return Constant(_number(text, 0, len(text)))
    kind = KINDS.get(call[1])
    if kind is None:
        raise DistributionError(f"There is no distribution {quoted(call[1])}, only {', '.join(KINDS)}.", call.start(1))
    end = len(text.rstrip()) - 1
    if text[end] != ")":
        raise DistributionError("A ')' is missing at the end.", end + 1)
    parameters = _parameters(kind, text, call.end(), end, tables)
    missing = [name for name in _required(kind) if name not in parameters]
    if missing:
        raise DistributionError(f"The parameter '{missing[0]}' of {call[1]} is missing.", end)
    try:
        return kind(**parameters)  # type: ignore[arg-type]
    except DistributionError as error:
        raise DistributionError(error.message, call.start(1)) from None


def read_table(name: str, text: str) -> QuantileTable:
    """The table of measured values: one number on each line, in any order. Raises `DistributionError`."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    values = sorted([_measured(line, number) for number, line in enumerate(lines, 1) if line])
    if not 1 < len(values) <= TABLE_VALUES_MAX:
        raise DistributionError(f"The table {quoted(name)} has {len(values)} values, not 2 to {TABLE_VALUES_MAX:,}.")
    if len(values) > TABLE_QUANTILES:
        values = [_quantile(values, step / (TABLE_QUANTILES - 1)) for step in range(TABLE_QUANTILES)]
    return QuantileTable(name, tuple(values))


def _parameters(
    kind: type[Distribution], text: str, start: int, end: int, tables: Mapping[str, QuantileTable]
) -> dict[str, Parameter]:
    """The parameters between two offsets by name. Each stands in its order, or is named."""
    names = iter(kind.__struct_fields__)
    parameters: dict[str, Parameter] = {}
    for argument in text[start:end].split(","):
        after = start + len(argument)
        named = _NAMED.match(argument)
        name = named[1] if named else next(names, "")
        begin = start + named.end() if named else start
        if name not in kind.__struct_fields__ or name in parameters:
            raise DistributionError(f"{kind.__name__} has no further parameter {quoted(argument.strip())}.", start)
        parameters[name] = _table(text[begin:after], begin, tables) if name == "table" else _number(text, begin, after)
        start = after + 1
    return parameters


def _required(kind: type[Distribution]) -> tuple[str, ...]:
    return kind.__struct_fields__[: -len(kind.__struct_defaults__)]


def _number(text: str, start: int, end: int) -> float:
    """The number between two offsets of a text."""
    piece = text[start:end]
    offset = start + len(piece) - len(piece.lstrip())
    if not _NUMBER.fullmatch(piece.strip()):
        raise DistributionError(f"{quoted(piece.strip())} is not a number.", offset)
    value = float(piece)
    if not 0 <= value <= VALUE_MAX:
        raise DistributionError(f"{quoted(piece.strip())} is not from 0 to {VALUE_MAX:,.0f}.", offset)
    return value


def _table(name: str, offset: int, tables: Mapping[str, QuantileTable]) -> QuantileTable:
    table = tables.get(name.strip())
    if table is None:
        raise DistributionError(f"There is no table {quoted(name.strip())} of quantiles.", offset)
    return table


def _measured(line: str, number: int) -> float:
    try:
        return _number(line, 0, len(line))
    except DistributionError as error:
        raise DistributionError(f"Line {number}: {error.message}") from None


def _check(name: str, value: float, least: float, most: float) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise DistributionError(f"'{name}' is not from {_text(least)} to {_text(most)}.")


def _text(value: Parameter) -> str:
    """A number in its shortest form, or the name of a table."""
    return value.name if isinstance(value, QuantileTable) else repr(value).removesuffix(".0")


def _quantile(values: list[float] | tuple[float, ...], share: float) -> float:
    """The value below which a share of the values is, between the nearest two."""
    index, part = divmod(share * (len(values) - 1), 1)
    low = values[int(index)]
    return low + (values[int(index) + 1] - low) * part if part else low


def _standard_normal(random: SeededRandom) -> float:
    """A value with the mean 0 and the standard deviation 1 (Box and Muller)."""
    return sqrt(-2 * log(1 - random.unit())) * cos(tau * random.unit())


def _standard_gamma(shape: float, random: SeededRandom) -> float:
    """A value with a shape of at least 1 and the scale 1 (Marsaglia and Tsang, 2000)."""
    d = shape - 1 / 3
    while True:
        normal = _standard_normal(random)
        cube = (1 + normal / sqrt(9 * d)) ** 3
        if cube > 0 and log(1 - random.unit()) < normal * normal / 2 + d * (1 - cube + log(cube)):
            return d * cube
