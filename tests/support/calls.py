"""How many calls some code makes: a cost that is the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable


def count_calls(do: Callable[[], object]) -> int:
    """Count the functions that are called, those written in C too. Call it twice: the first time may make more."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
    return count
