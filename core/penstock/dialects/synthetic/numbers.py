"""Numbers between bounds.

It knows the keywords of numbers and reckons exactly, since a bound may be as fine or as large as JSON can write. The
numbers are plain ones where there is room: whole hundredths, near the bound where only one is given.
"""

from __future__ import annotations

from fractions import Fraction

from .schema import Bound, NoValue, Schema
from .seeded_random import Chance

SPAN = 100
"""How far from its only bound a number may lie, and from zero where it has none."""
EXACT_MAX = 2**53
"""Beyond it a floating-point number is a whole one, and soon none at all."""
MULTIPLES_TRIED = 16
BITS_MAX = 8_192
"""A number that is longer than this cannot be written: Python writes whole numbers of up to 4,300 digits."""


def integer(schema: Schema, chance: Chance) -> int:
    """A whole number."""
    step = _step(schema).numerator if schema.multiple_of is not None else 1
    return chance.between(*_multiples(schema, Fraction(step))) * step


def number(schema: Schema, chance: Chance) -> Bound:
    """A number of any kind."""
    if schema.multiple_of is not None:
        return _multiple(schema, chance)
    low, high = _bounds(schema, SPAN)
    if low > high:
        raise NoValue("there is no number between its bounds.")
    if max(-low, high) > EXACT_MAX:
        return integer(schema, chance)
    draw = low + (high - low) * chance.between(1, 999) / 1000
    for value in (round(float(draw), 2), float(draw), float(low), float(high)):
        if _lies_within(value, schema):
            return value
    raise NoValue("there is no number between its bounds.")


def _multiple(schema: Schema, chance: Chance) -> Bound:
    """A multiple of a fraction, and one that a division in floating point finds to be one, if such is soon found."""
    step = _step(schema)
    low, high = _multiples(schema, step)
    if max(-low, high) * step > EXACT_MAX:
        return integer(schema, chance)
    draws = [chance.between(low, high) for _ in range(MULTIPLES_TRIED)]
    values = [int(step * draw) if step.denominator == 1 else float(step * draw) for draw in draws]
    return next((value for value in values if (value / float(step)).is_integer()), values[0])


def _step(schema: Schema) -> Fraction:
    step = _exact(schema.multiple_of or 0)
    if step <= 0:
        raise NoValue("'multipleOf' must be greater than zero.")
    return step


def _multiples(schema: Schema, step: Fraction) -> tuple[int, int]:
    """The least and the greatest factor of `step` that lies within the bounds."""
    low, high = _bounds(schema, SPAN * step)
    first, last = -(-low // step), high // step
    first += schema.exclusive_minimum is not None and first * step <= _exact(schema.exclusive_minimum)
    last -= schema.exclusive_maximum is not None and last * step >= _exact(schema.exclusive_maximum)
    if first > last:
        raise NoValue("there is no number between its bounds.")
    return int(first), int(last)


def _bounds(schema: Schema, span: Fraction | int) -> tuple[Fraction, Fraction]:
    """The bounds, exclusive or not; where one is missing, it lies at a distance that is felt at that size."""
    lows = [_exact(bound) for bound in (schema.minimum, schema.exclusive_minimum) if bound is not None]
    highs = [_exact(bound) for bound in (schema.maximum, schema.exclusive_maximum) if bound is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    if low is None:
        low = Fraction(0) if high is None or high >= span else high - max(span, abs(high))
    if high is None:
        high = low + max(span, abs(low))
    return low, high


def _exact(bound: Bound) -> Fraction:
    """The bound as it was written: a tenth is a tenth."""
    if isinstance(bound, int):
        if bound.bit_length() > BITS_MAX:
            raise NoValue("a number in it is too large.")
        return Fraction(bound)
    return Fraction(str(bound))


def _lies_within(value: float, schema: Schema) -> bool:
    return (
        (schema.minimum is None or value >= schema.minimum)
        and (schema.maximum is None or value <= schema.maximum)
        and (schema.exclusive_minimum is None or value > schema.exclusive_minimum)
        and (schema.exclusive_maximum is None or value < schema.exclusive_maximum)
    )
