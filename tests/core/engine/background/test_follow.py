"""The stream of a background response where its store fails: it ends by an error that is an event, and `[DONE]`."""

from __future__ import annotations

import asyncio

import pytest

from penstock.engine import Follower
from penstock.errors import unavailable
from penstock.ports import EventBatch, StoredResponse
from penstock.responders import FollowStream
from penstock.stores.memory import MemoryStore
from requirements import shows
from support import sse

ROW = StoredResponse(id="resp_1", owner="", status="in_progress", created_at=1, background=True, body=b"{}")
FAILURES = {
    "it is away": (unavailable("The store is not available.", 1.0), "The store is not available."),
    "a fault of ours": (ZeroDivisionError(), "The server had an error while processing your request."),
}


class Failing(MemoryStore):
    """It has one event to send, and then fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        if after >= 0:
            raise self.error
        return [EventBatch(0, b'event: response.created\ndata: {"type": "response.created"}\n\n')]


@shows("stored-streams")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_store_that_fails_ends_a_stream_in_order(failure: str) -> None:
    error, message = FAILURES[failure]

    async def read() -> bytes:
        store = Failing(error)
        await store.save(ROW)
        follower = Follower(store, ROW, after=-1, heartbeat_s=1.0)
        stream = FollowStream(follower, done_marker=True, disconnected=None)
        return b"".join([bytes(piece) async for piece in stream])

    created, ended = sse.events(asyncio.run(asyncio.wait_for(read(), 10)))
    assert created == {"type": "response.created"}
    assert (ended["type"], ended["message"], ended["sequence_number"]) == ("error", message, 0)
