"""Counts of Python's own work: calls of functions, calls into C, and allocations, of a request or of one delta.

`sys.setprofile` reports each call and return. Calls of Python functions include each time that a coroutine or a
generator goes on. Allocations are how much `sys.getallocatedblocks` grows from one call or return to the next, summed.
This is exact and nearly the same in each run, but it does not see a block that is freed before the next call, and it
counts a frame for each call, since a profiled call makes its frame an object. Other ways report less: the blocks that
are left after a request, which are none, and `tracemalloc`, which knows bytes and not how many blocks.

Each request is counted several times and the least is taken: now and then a request does what is due once in many, such
as drawing random bytes for the next hundred ids. Only the thread of the event loop is counted.
"""

import asyncio
import gc
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from bench.guard.inprocess import Case, Hop

DELTA = b"event: response.output_text.delta\n"
WARM_UPS = 5
TIMES = 30
FEW, MANY = 20, 220
"""Deltas of two streams: a delta costs their difference, so that what a stream costs once is not in it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one request costs, or one delta of it."""

    calls: float
    c_calls: float
    allocations: float

    def __sub__(self, other: "Counts") -> "Counts":
        """Return what this one costs more."""
        return Counts(*(one - two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def __truediv__(self, number: int) -> "Counts":
        """Return the share of one of `number`."""
        return Counts(*(one / number for one in astuple(self)))


class Profile:
    """The sums of one counting: `note` is what `sys.setprofile` takes."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.calls = self.c_calls = self.allocations = 0

    def note(self) -> Callable[[FrameType, str, Any], None]:
        """Return the function that notes each call and return."""
        allocated = sys.getallocatedblocks
        last = allocated()

        def note(_: FrameType, event: str, __: Any) -> None:
            nonlocal last
            now = allocated()
            self.allocations += max(0, now - last)
            last = now
            self.calls += event == "call"
            self.c_calls += event == "c_call"

        return note


@contextmanager
def profiled() -> Iterator[Profile]:
    """Count in this thread until the block ends, without the garbage collector."""
    profile = Profile()
    gc.collect()
    gc.disable()
    sys.setprofile(profile.note())
    try:
        yield profile
    finally:
        sys.setprofile(None)
        gc.enable()


async def least(hop: Hop) -> Counts:
    """Return what one request to the hop costs."""
    for _ in range(WARM_UPS):
        await hop.checked()
    seen = []
    for _ in range(TIMES):
        with profiled() as profile:
            await hop.ask()
        seen.append(Counts(profile.calls, profile.c_calls, profile.allocations))
    return Counts(*(min(each) for each in zip(*map(astuple, seen), strict=True)))


async def _count(case: Case) -> tuple[Counts, int]:
    with tempfile.TemporaryDirectory() as folder:
        hop = Hop(case, Path(folder))
        try:
            return await least(hop), (await hop.checked()).count(DELTA)
        finally:
            await hop.aclose()


def per_request(case: Case) -> Counts:
    """Return what a request of the case costs."""
    return asyncio.run(_count(case))[0]


def per_delta(case: Case) -> Counts:
    """Return what one more delta of a stream costs."""
    few, few_deltas = asyncio.run(_count(replace(case, deltas=FEW)))
    many, many_deltas = asyncio.run(_count(replace(case, deltas=MANY)))
    return (many - few) / (many_deltas - few_deltas)
