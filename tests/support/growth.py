"""Whether work grows in proportion to its size: by CPU time, at one size and at twice that."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

GROWTH_MAX = 2.6
"""How many times as much CPU time twice the size may take."""
NOISE_S = 0.1
"""Less CPU time than this is not judged."""
_RUNS = 3


def check_growth(work: Callable[[int], object], size: int) -> None:
    """Fail if the work grows faster than its size. The quickest of several runs counts."""
    once, twice = (min(_cpu_s(work, each) for _ in range(_RUNS)) for each in (size, 2 * size))
    assert twice < max(GROWTH_MAX * once, NOISE_S), (once, twice)


def _cpu_s(work: Callable[[int], object], size: int) -> float:
    """Without the garbage collector, which looks at all that the process holds, at some size."""
    gc.disable()
    try:
        began = time.process_time()
        work(size)
        return time.process_time() - began
    finally:
        gc.enable()
