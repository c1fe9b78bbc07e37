"""Numbers between bounds.

It knows the keywords of numbers and computes with fractions, since a bound may be as fine or as large as JSON can
write. The numbers are short where the bounds allow it: whole hundredths, and close to the bound where there is only
one.
"""

from __future__ import annotations

from fractions import Fraction

from .schema import Bound, NoValue, Schema
from .seeded_random import SeededRandom

SPAN = 100
"""How far a number may be from its only bound, or from zero where it has none."""
EXACT_MAX = 2**53
"""The greatest integer up to which every integer is a floating-point number."""
MULTIPLES_TRIED = 16
BITS_MAX = 8_192
"""The length of the longest number, in bits: Python writes integers of up to 4,300 digits."""


def integer(schema: Schema, random: SeededRandom) -> int:
    """An integer. Raises `NoValue` where there is none between the bounds."""
    step = _step(schema).numerator if schema.multiple_of is not None else 1
    return random.between(*_multiples(schema, Fraction(step))) * step


def number(schema: Schema, random: SeededRandom) -> Bound:
    """A number of any kind. Raises `NoValue` where there is none between the bounds."""
    if schema.multiple_of is not None:
        return _multiple(schema, random)
    low, high = _bounds(schema, SPAN)
    if low > high:
        raise NoValue("there is no number between its bounds.")
    if max(-low, high) > EXACT_MAX:
        return integer(schema, random)
    draw = low + (high - low) * random.between(1, 999) / 1000
    for value in (round(float(draw), 2), float(draw), float(low), float(high)):
        if _is_within(value, schema):
            return value
    raise NoValue("there is no number between its bounds.")


def _multiple(schema: Schema, random: SeededRandom) -> Bound:
    """A multiple of a fraction. One that is a multiple in floating point too is preferred, within a few tries."""
    step = _step(schema)
    low, high = _multiples(schema, step)
    if max(-low, high) * step > EXACT_MAX:
        return integer(schema, random)
    draws = [random.between(low, high) for _ in range(MULTIPLES_TRIED)]
    values = [int(step * draw) if step.denominator == 1 else float(step * draw) for draw in draws]
    return next((value for value in values if (value / float(step)).is_integer()), values[0])


def _step(schema: Schema) -> Fraction:
    step = _exact(schema.multiple_of or 0)
    if step <= 0:
        raise NoValue("'multipleOf' must be greater than zero.")
    return step


def _multiples(schema: Schema, step: Fraction) -> tuple[int, int]:
    """The least and the greatest factor for which factor times `step` is within the bounds."""
    low, high = _bounds(schema, SPAN * step)
    first, last = -(-low // step), high // step
    first += schema.exclusive_minimum is not None and first * step <= _exact(schema.exclusive_minimum)
    last -= schema.exclusive_maximum is not None and last * step >= _exact(schema.exclusive_maximum)
    if first > last:
        raise NoValue("there is no number between its bounds.")
    return int(first), int(last)


def _bounds(schema: Schema, span: Fraction | int) -> tuple[Fraction, Fraction]:
    """The bounds, exclusive or not. A missing bound is at a distance in proportion to the other."""
    lows = [_exact(bound) for bound in (schema.minimum, schema.exclusive_minimum) if bound is not None]
    highs = [_exact(bound) for bound in (schema.maximum, schema.exclusive_maximum) if bound is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    if low is None:
        low = Fraction(0) if high is None or high >= span else high - max(span, abs(high))
    if high is None:
        high = low + max(span, abs(low))
    return low, high


def _exact(bound: Bound) -> Fraction:
    """The bound exactly as its decimal digits state it: 0.1 is one tenth."""
    if isinstance(bound, int):
        if bound.bit_length() > BITS_MAX:
            raise NoValue("a number in it is too large.")
        return Fraction(bound)
    return Fraction(str(bound))


def _is_within(value: float, schema: Schema) -> bool:
    return (
        (schema.minimum is None or value >= schema.minimum)
        and (schema.maximum is None or value <= schema.maximum)
        and (schema.exclusive_minimum is None or value > schema.exclusive_minimum)
        and (schema.exclusive_maximum is None or value < schema.exclusive_maximum)
    )
