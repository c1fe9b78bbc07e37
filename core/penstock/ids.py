"""Ids and the clock: the two things of a run that are not a function of its input.

Ids are random and cannot be guessed, since an id is half of what guards a stored response; times are Unix seconds.
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


def may_be_id(text: str) -> bool:
    """Whether a text can be the id of anything. What cannot is not there, and no store is asked for it."""
    return ID.fullmatch(text) is not None


def new_id(prefix: str) -> str:
    """An id such as `resp_` and 48 hexadecimal digits: 192 random bits."""
    return prefix + os.urandom(24).hex()


def clock_s() -> float:
    """The time in Unix seconds and parts of one, for leases: all replicas go by the clocks of their machines."""
    return time.time()


def now_s() -> int:
    """The time in whole Unix seconds."""
    return int(time.time())
