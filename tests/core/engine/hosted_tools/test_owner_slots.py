"""The slots of calls: no owner has all of them, and an owner that uses none is forgotten."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from penstock.engine.hosted_tools.owner_slots import OwnerSlots
from requirements import shows


class Calls:
    """Calls that run until they are cancelled."""

    def __init__(self, slots: OwnerSlots) -> None:
        self._slots = slots
        self.running: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, owner: str, number: int) -> None:
        self._tasks += [asyncio.ensure_future(self._call(owner)) for _ in range(number)]
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, owner: str) -> None:
        async with self._slots.use(owner):
            self.running.append(owner)
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


@shows("fair-tools")
def test_the_calls_of_one_owner_leave_slots_for_others() -> None:
    async def scenario() -> None:
        calls = Calls(OwnerSlots(4, 2))
        await calls.begin("greedy", 10)
        assert calls.running == ["greedy"] * 2
        await calls.begin("other", 2)
        assert calls.running[2:] == ["other"] * 2
        await calls.begin("third", 1)
        assert len(calls.running) == 4
        await calls.end()

    asyncio.run(scenario())


def test_an_owner_that_uses_no_slot_is_forgotten() -> None:
    async def scenario() -> None:
        slots = OwnerSlots(2, 1)
        calls = Calls(slots)
        for number in range(100):
            await calls.begin(f"owner_{number}", 2)
        await calls.end()
        assert slots._owners == {}

    asyncio.run(scenario())
