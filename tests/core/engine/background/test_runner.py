"""Background responses of one process, on a store in memory; replicas and deaths are tests/memory's."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from core.kit import Answer, FakeUpstream, ask, service
from penstock.access import ANONYMOUS
from penstock.engine import Policies
from penstock.engine.background.runner import Background, BackgroundSaver
from penstock.engine.running.run import Run
from penstock.errors import ApiError, unavailable
from penstock.ids import clock_s
from penstock.limits import Limits
from penstock.ports import Claim, StoredConversation, StoredResponse
from penstock.secrets import Secret
from penstock.stores.memory import MemoryStore
from requirements import shows

LIMITS = Limits(lease_s=0.3, writer_lock_s=0.3, background_runs_max=1)


def row(number: int, conversation_id: str | None = None) -> StoredResponse:
    return StoredResponse(
        id=f"resp_{number}",
        owner="o",
        status="queued",
        created_at=number,
        background=True,
        body=b"{}",
        request=b"{}",
        conversation_id=conversation_id,
    )


async def never(row: StoredResponse, saver: BackgroundSaver, key: Secret | None) -> Run:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_waiting_response_keeps_its_conversation_locked() -> None:
    """Longer than a lock lasts: no other request may write to it meanwhile, and any may once none waits."""

    async def wait() -> list[bool]:
        store = MemoryStore()
        await store.save_conversation(StoredConversation(id="conv_1", owner="o", created_at=1), [])
        background = Background(store, LIMITS, never, clock_s)
        background.start()
        await background.submit(row(1))
        await background.submit(row(2, "conv_1"))
        granted = []
        for _ in range(2):
            await asyncio.sleep(0.5)
            now = clock_s()
            granted.append(await store.lock_conversation("conv_1", writer="resp_9", now=now, until=now + 1))
            await background.aclose()
        return granted

    assert asyncio.run(asyncio.wait_for(wait(), 10)) == [False, True]


def test_a_clients_key_is_used_for_its_run_only() -> None:
    given: list[Secret | None] = []

    async def result(row: StoredResponse, saver: BackgroundSaver, key: Secret | None) -> Run:
        given.append(key)
        return await never(row, saver, key)

    async def submit() -> StoredResponse | None:
        store = MemoryStore()
        background = Background(store, LIMITS, result, clock_s)
        await background.submit(row(1), Secret("sk-client"))
        await asyncio.sleep(0.05)
        stored = await store.response("o", "resp_1")
        await background.aclose()
        return stored

    stored = asyncio.run(asyncio.wait_for(submit(), 10))
    assert given == [Secret("sk-client")]
    assert "sk-client" not in repr(stored)


def test_a_cancellation_waits_for_others_for_so_long_only() -> None:
    class Contended(MemoryStore):
        """Where another process always is quicker."""

        async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
            return None

    async def cancel() -> ApiError:
        store = Contended()
        await store.save(row(1))
        background = Background(store, Limits(cancel_wait_s=0.05), never, clock_s)
        with pytest.raises(ApiError) as caught:
            await background.cancel(row(1))
        return caught.value

    error = asyncio.run(asyncio.wait_for(cancel(), 10))
    assert (error.status, error.retriable) == (503, True)


def test_it_ends_though_its_store_is_away(caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryStore):
        async def release(self, claim: Claim) -> None:
            raise unavailable("The store is not available.", 1.0)

    async def submit_and_close() -> bool:
        background = Background(Away(), LIMITS, never, clock_s)
        background.start()
        await background.submit(row(1))
        await background.aclose()
        return background.is_started

    assert not asyncio.run(asyncio.wait_for(submit_and_close(), 10))
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "leases were not released; other processes wait until they expire: The store is not available."
    ]


async def background_turns(store: MemoryStore, *, runs_background: bool) -> list[Answer]:
    """A background response is asked for, and one that exists is cancelled."""
    made = service(FakeUpstream(), store=store, policies=Policies(background=runs_background))
    try:
        answers = [
            await ask(made, {"input": "Hi", "background": True}),
            await ask(made, path="/v1/responses/resp_1/cancel", headers={}),
        ]
        await asyncio.sleep(LIMITS.lease_s)
        return answers
    finally:
        await made.aclose()


class SweptStore(MemoryStore):
    """A store that counts how often a server looks for work in it."""

    looked = 0

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        self.looked += 1
        return await super().unclaimed(now=now, limit=limit)


@shows("no-background")
def test_a_server_that_runs_none_refuses_them_and_leaves_those_of_others() -> None:
    async def main() -> tuple[list[Answer], SweptStore]:
        store = SweptStore()
        await store.save(msgspec.structs.replace(row(1), owner=ANONYMOUS))
        return await background_turns(store, runs_background=False), store

    answers, store = asyncio.run(main())
    errors = [(answer.status, answer.json()["error"]["param"]) for answer in answers]
    assert errors == [(400, "background"), (400, "response_id")]
    assert all("runs no background responses" in answer.json()["error"]["message"] for answer in answers)
    assert store.looked == 0


def test_a_server_that_runs_them_looks_for_work() -> None:
    store = SweptStore()
    assert [answer.status for answer in asyncio.run(background_turns(store, runs_background=True))] == [200, 404]
    assert store.looked > 0
