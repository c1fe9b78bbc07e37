"""The store's clock decides, whatever this machine's time is."""

from __future__ import annotations

import asyncio
import logging

import pytest

from penstock.engine.store_clock import StoreClock
from penstock.stores.memory import MemoryStore
from requirements import shows


class Clocks(MemoryStore):
    """A store with a clock of its own, and the two of this machine."""

    store_s = 1_000.0
    own = 1_020.0
    monotonic = 5.0

    async def time_s(self) -> float:
        self.monotonic += 2.0  # there and back
        self.store_s += 2.0
        return self.store_s - 1.0

    def clock(self) -> StoreClock:
        return StoreClock(self, own_s=lambda: self.own, monotonic_s=lambda: self.monotonic)


@shows("one-clock")
def test_it_is_the_stores_once_that_was_asked() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    assert clock() == 1_020.0
    asyncio.run(clock.ask())
    assert clock() == clocks.store_s
    clocks.monotonic += 10.0
    clocks.own -= 3_600.0  # the clock of this machine is set
    assert clock() == clocks.store_s + 10.0


def test_a_skew_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    clocks = Clocks()
    clock = clocks.clock()
    for _ in range(3):
        asyncio.run(clock.ask())
    [record] = caplog.records
    assert "s ahead of the store's" in record.getMessage()
    clocks.own = clocks.store_s
    asyncio.run(clock.ask())
    clocks.own = clocks.store_s - 60.0
    asyncio.run(clock.ask())
    assert "s behind the store's" in caplog.records[-1].getMessage()
