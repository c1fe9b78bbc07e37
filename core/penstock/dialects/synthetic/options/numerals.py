"""Numerals: the numbers of a text, in decimal digits. Names of numbers, such as `nan` and `inf`, are none."""

from __future__ import annotations

import math
import re

from penstock.errors import quoted

from .mistake import Mistake

_DIGITS_MAX = 18
"""A whole number of so many digits fits into 64 bits."""
_whole = re.compile(r"[0-9]+").fullmatch
_decimal = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch


def read_whole(text: str) -> int:
    """A whole number, without a sign. Raises `Mistake`."""
    if not _whole(text):
        raise Mistake(0, f"{quoted(text)} is not a whole number.")
    if len(text) > _DIGITS_MAX:
        raise Mistake(0, f"{quoted(text)} is too large.")
    return int(text)


def read_number(text: str) -> float:
    """A number, without a sign. Raises `Mistake`."""
    if not _decimal(text):
        raise Mistake(0, f"{quoted(text)} is not a number.")
    number = float(text)
    if not math.isfinite(number):
        raise Mistake(0, f"{quoted(text)} is too large.")
    return number
