"""The writer of a background response's log."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from core.kit import fresh_garbage, skeleton, to_json
from penstock.engine.background.event_log import ClaimLost, LogWriter, close_log
from penstock.ports import Claim, EventBatch, StoredResponse
from penstock.stores.memory import MemoryStore
from penstock.transcript import Transcript
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


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_response_that_ended_before_its_first_event_begins_as_one_that_waits(status: Any) -> None:
    ended = skeleton(status=status, background=True, completed_at=None)
    error = {"code": "server_error", "message": "It broke."} if status == "failed" else None
    body = json.dumps(to_json(ended) | {"error": error}).encode()
    row = StoredResponse(id="resp_1", owner="o", status=status, created_at=1, background=True, body=body)
    created, queued, end = map(to_json, close_log(Transcript(), row))
    assert (created["response"]["status"], created["response"]["error"]) == ("queued", None)
    assert [event["type"].removeprefix("response.") for event in (created, queued, end)] == [
        "created",
        "queued",
        "failed",
    ]
    assert (end["response"]["status"], end["response"]["error"]) == (status, error)


def test_a_run_in_progress_is_informed() -> None:
    async def main() -> None:
        writer = LogWriter(Lost(), Claim("resp_1", 1), batch_bytes_max=1_000_000)
        await writer.add([Created(response=skeleton(), sequence_number=0)])
        with pytest.raises(ClaimLost):
            await writer.flush()

    asyncio.run(main())
