"""How many calls some code makes: a cost that is the same on every machine."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable


def count_calls(do: Callable[[], object]) -> int:
    """Count the functions that are called, those written in C too. Call it twice: the first time may make more.

    No garbage collection runs meanwhile: others' callbacks of one, such as hypothesis's, would be counted.
    """
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    was_enabled = gc.isenabled()
    gc.disable()
    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
        if was_enabled:
            gc.enable()
    return count
