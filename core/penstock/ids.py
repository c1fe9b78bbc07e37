"""Ids and the clock: the two inputs of a run that are not part of its request.

Ids cannot be guessed, since a stored response is protected by its id and its owner. They begin with the time at which
they were made, so that new ids are close to each other in a database index. Nothing else may rely on this order: clocks
differ and can go backwards. Times are Unix seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeAlias

from penstock.patterns import lazy_pattern

NewId: TypeAlias = Callable[[str], str]
Now: TypeAlias = Callable[[], int]
Clock: TypeAlias = Callable[[], float]

ID = lazy_pattern(r"(?!\.\.?\Z)[A-Za-z0-9_.:-]{1,256}")
"""All valid ids, also those of other servers. An id becomes a step of a path, where `.` and `..` have a meaning."""

_TICKS_PER_S = 65_536
_TICKS_MASK = 0xFFFF_FFFF_FFFF
"""The time in an id: ticks since 1970, in 12 hexadecimal digits."""
_DIGITS = 36
_DRAWN_AT_ONCE = 64
"""How many ids one call of the system draws random digits for: the call costs more than the digits."""
_EACH = lazy_pattern(f".{{{_DIGITS}}}")
_drawn: list[str] = []
"""Random digits for further ids."""
if hasattr(os, "register_at_fork"):
    # spec: random-after-fork
    os.register_at_fork(after_in_child=_drawn.clear)  # parent and child would make the same ids


def forget_drawn() -> None:
    """Drop the random digits that are drawn: copies of a snapshot of this process would make the same ids."""
    _drawn.clear()


def may_be_id(text: str) -> bool:
    """Whether a text is a valid id. For others, the store is not called."""
    return ID.fullmatch(text) is not None


def new_id(prefix: str) -> str:
    """An id such as `resp_` and 48 hexadecimal digits: 8 of the second, 4 of its fraction, and 144 random bits."""
    try:
        digits = _drawn.pop()
    except IndexError:
        digits = _draw()
    # spec: ordered-ids
    return f"{prefix}{int(time.time() * _TICKS_PER_S) & _TICKS_MASK:012x}{digits}"


def _draw() -> str:
    """Draw random digits of the system for many ids, and return those of the first. Any thread may call it."""
    first: str
    first, *others = _EACH.findall(os.urandom(_DRAWN_AT_ONCE * _DIGITS // 2).hex())
    _drawn.extend(others)
    return first


def random_digits() -> str:
    """36 random hexadecimal digits: those of an id, without its time. Any thread may call it."""
    return new_id("")[-_DIGITS:]


def clock_s() -> float:
    """The time in Unix seconds, with fractions, by this machine's clock."""
    return time.time()


def now_s() -> int:
    """The time in whole Unix seconds."""
    return int(time.time())
