"""The writer of a background response's log."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from core.kit import fresh_garbage, skeleton
from penstock.engine.background.event_log import ClaimLost, LogWriter
from penstock.ports import Claim, EventBatch
from penstock.stores.memory import MemoryStore
from penstock.wire import Created


class Lost(MemoryStore):
    """A store in which the response has ended meanwhile."""

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        return False


def test_an_append_that_fails_after_its_run_is_no_fault_of_asyncios() -> None:
    faults: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        writer = LogWriter(Lost(), Claim("resp_1", 1), batch_bytes_max=1_000_000)
        await writer.add([Created(response=skeleton(), sequence_number=0)])
        await asyncio.sleep(0.01)
        del writer
        gc.collect()

    with fresh_garbage():
        asyncio.run(main())
    assert faults == []


def test_a_run_in_progress_is_informed() -> None:
    async def main() -> None:
        writer = LogWriter(Lost(), Claim("resp_1", 1), batch_bytes_max=1_000_000)
        await writer.add([Created(response=skeleton(), sequence_number=0)])
        with pytest.raises(ClaimLost):
            await writer.flush()

    asyncio.run(main())
