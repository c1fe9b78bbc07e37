"""Ids and the clock: the two things of a run that are not a function of its input.

Ids cannot be guessed, since an id is half of what guards a stored response. They begin with the time at which they were
made, so that new ones are neighbours in an index, and those of one request stand on few of its pages. Nothing else may
use this order: clocks differ, and go backwards. Times are Unix seconds.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import TypeAlias

NewId: TypeAlias = Callable[[str], str]
Now: TypeAlias = Callable[[], int]
Clock: TypeAlias = Callable[[], float]

ID = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9_.:-]{1,256}")
"""What an id may be, anybody's. It may become a step of a path, where `.` and `..` lead somewhere else."""

_TICKS_PER_S = 65_536
_TICKS_MASK = 0xFFFF_FFFF_FFFF
"""The time in an id: ticks since 1970, in 12 hexadecimal digits."""
_DIGITS = 36
_DRAWN_AT_ONCE = 64
"""To draw for so many ids at once costs hardly more than to draw for one: each time is a call of the system."""
_drawn: list[str] = []
"""Random digits that no id has yet."""
if hasattr(os, "register_at_fork"):
    # spec: random-after-fork
    os.register_at_fork(after_in_child=_drawn.clear)  # else parent and child would give the same ids


def may_be_id(text: str) -> bool:
    """Whether a text can be the id of anything. What cannot is not there, and no store is asked for it."""
    return ID.fullmatch(text) is not None


def new_id(prefix: str) -> str:
    """An id such as `resp_` and 48 hexadecimal digits: 8 of the second, 4 of its fraction, and 144 random bits."""
    # spec: ordered-ids
    return f"{prefix}{int(clock_s() * _TICKS_PER_S) & _TICKS_MASK:012x}{random_digits()}"


def random_digits() -> str:
    """36 hexadecimal digits of the system's randomness. Any thread may ask for them."""
    try:
        return _drawn.pop()
    except IndexError:
        digits = os.urandom(_DRAWN_AT_ONCE * _DIGITS // 2).hex()
        first, *others = (digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS))
        _drawn.extend(others)
        return first


def clock_s() -> float:
    """The time in Unix seconds and parts of one, for leases: all replicas go by the clocks of their machines."""
    return time.time()


def now_s() -> int:
    """The time in whole Unix seconds."""
    return int(time.time())
