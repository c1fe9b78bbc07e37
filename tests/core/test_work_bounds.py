"""What one request costs grows with its size and no faster, whatever it holds: in CPU time, and in memory.

Each shape is sent at one size and at twice that, to the whole service, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.work_shapes import SHAPES
from requirements import shows
from support.meter import Cost, Meter

pytestmark = pytest.mark.slow

SIZE = 100_000
GROWTH_MAX = 2.6
"""How many times as dear a request of twice the size may be."""
MEMORY_PER_BYTE_MAX = 15
CPU_NOISE_S, MEMORY_NOISE_BYTES = 0.1, 3_000_000
"""What is not judged: less than this is due to the machine and the interpreter."""
ARENA_BYTES = 2**20
"""Python takes memory from the system in pieces of this size: one more of them is no growth."""
RETRIES = 5
"""How often both sizes are measured again before a problem counts."""


@pytest.fixture(scope="module")
def meter() -> Iterator[Meter]:
    with Meter() as meter:
        yield meter


def problems(once: Cost, twice: Cost) -> list[str]:
    """What is wrong with these costs."""
    found = []
    if twice.cpu_s > max(GROWTH_MAX * once.cpu_s, CPU_NOISE_S):
        found.append("its CPU time grows faster than its size")
    if twice.memory_bytes > max(GROWTH_MAX * once.memory_bytes + ARENA_BYTES, MEMORY_NOISE_BYTES):
        found.append("its memory grows faster than its size")
    if twice.memory_bytes > MEMORY_PER_BYTE_MAX * twice.body_bytes + MEMORY_NOISE_BYTES:
        found.append("it takes more than its share of memory")
    if once.status >= 500 or twice.status >= 500:
        found.append("it is a fault of the server")
    return found


def least(one: Cost, other: Cost) -> Cost:
    """The lower figure of each: a busy machine adds to CPU time and memory, and never takes from them."""
    return one._replace(
        status=max(one.status, other.status),
        cpu_s=min(one.cpu_s, other.cpu_s),
        memory_bytes=min(one.memory_bytes, other.memory_bytes),
    )


@shows("linear-work")
@pytest.mark.parametrize("name", SHAPES)
def test_a_request_costs_in_proportion_to_its_size(meter: Meter, name: str) -> None:
    once, twice = meter.cost(name, SIZE), meter.cost(name, 2 * SIZE)
    for _ in range(RETRIES):
        if not problems(once, twice):
            return
        once, twice = least(once, meter.cost(name, SIZE)), least(twice, meter.cost(name, 2 * SIZE))
    assert not problems(once, twice), f"{once}, then {twice}"
