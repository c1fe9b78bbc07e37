"""The bounds of the guard: reads `bounds.toml`, and reports what is wrong with a count.

A count over its bound is wrong. So is one that is far below: the bound must follow, or the next slow change hides
under it. Only where a thread takes part is a low count right: it depends on which thread is first.
"""

import math
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("bounds.toml")
BELOW_MAX = 0.1
"""How much of its bound a count may stay below it."""
MARGIN = 0.04
"""How much more than a count a new bound should be."""
NOISE = 0.1
"""What the count of a delta may differ from run to run: a timer that fell into one of the two streams."""

Table = Mapping[str, Mapping[str, float]]
"""For each kind of work, numbers by what they count."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be counted at most, the version of Python that it was counted on, and the work that threads do, too."""

    python: str
    threaded: frozenset[str]
    table: Table


def read_bounds(file: Path = FILE) -> Bounds:
    """Read the bounds."""
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    return Bounds(document.pop("python"), frozenset(document.pop("threaded")), document)


def python_fault(bounds: Bounds) -> str | None:
    """Return why the bounds do not hold for this Python, or None: others make other calls for the same code."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return None if python == bounds.python else f"the bounds are those of Python {bounds.python}, and this is {python}"


def bound_for(count: float) -> float:
    """Return the bound that suits a count: whole, or in tenths for a small one, such as that of a delta."""
    grain = 1 if count >= 100 else 10
    return math.ceil(max(count * (1 + MARGIN), count + NOISE) * grain) / grain


def faults(counted: Table, bounds: Bounds) -> Iterator[str]:
    """Yield what is wrong, one line for each count; nothing when all is well."""
    for work in counted.keys() | bounds.table.keys():
        counts, limits = counted.get(work, {}), bounds.table.get(work, {})
        for name in counts.keys() | limits.keys():
            if fault := _fault(counts.get(name), limits.get(name), work in bounds.threaded):
                yield f"{work}, {name}: {fault}"


def _fault(count: float | None, bound: float | None, threaded: bool) -> str | None:
    if count is None:
        return "there is a bound, and nothing is counted"
    if bound is None:
        return f"there is no bound; set it to {bound_for(count):g}"
    if count > bound:
        return f"{count:g} is over the bound, {bound:g}"
    if not threaded and count < bound * (1 - BELOW_MAX) and bound_for(count) < bound:
        return f"{count:g} is far below the bound, {bound:g}: lower the bound to {bound_for(count):g}"
    return None
