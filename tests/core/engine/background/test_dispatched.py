"""Background responses where no process outlives a request: stored, asked for, and run by the process that is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Coroutine
from typing import Any

import pytest

from core.engine.background.test_runner import SweptStore
from core.kit import FakeUpstream, ask, service, skeleton
from penstock.access import ANONYMOUS
from penstock.engine import Policies
from penstock.errors import ApiError, unavailable
from penstock.limits import Limits
from penstock.ports import Claim, EventBatch
from penstock.service import Service
from penstock.sse import encode_events
from penstock.transcript.deltas import TextDelta
from penstock.wire import Created
from requirements import shows

LIMITS = Limits(lease_s=0.3, writer_lock_s=0.3)


class Runner:
    """Notes what it is asked for."""

    def __init__(self, error: ApiError | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.closed = 0
        self.error = error

    async def start(self, owner: str, response_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.asked.append((owner, response_id))

    async def aclose(self) -> None:
        self.closed += 1


class RenewedStore(SweptStore):
    renewed = 0

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        self.renewed += 1
        return await super().renew(claims, until=until)


def instance(store: SweptStore, runner: Runner, upstream: FakeUpstream | None = None) -> Service:
    """One of several processes in front of the same store."""
    policies = Policies(runner=runner)
    return service(upstream or FakeUpstream(), store=store, policies=policies, limits=LIMITS)


async def queued(made: Service, **fields: Any) -> str:
    answer = await ask(made, {"input": "Hi", "background": True} | fields)
    assert (answer.status, answer.json()["status"]) == (200, "queued")
    return str(answer.json()["id"])


async def read(made: Service, response_id: str) -> dict[str, Any]:
    answer = await ask(made, path=f"/v1/responses/{response_id}", method="GET", headers={})
    assert answer.status == 200
    found: dict[str, Any] = answer.json()
    return found


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 20))


@shows("asked-again")
def test_one_process_asks_and_another_one_runs() -> None:
    async def main() -> None:
        store, runner = SweptStore(), Runner()
        first, second = instance(store, runner), instance(store, runner, FakeUpstream([TextDelta("Hello")]))
        response_id = await queued(first)
        assert runner.asked == [(ANONYMOUS, response_id)]
        await asyncio.sleep(2 * LIMITS.lease_s)
        assert (await read(first, response_id))["status"] == "queued"
        assert await second.perform(ANONYMOUS, response_id)
        done = await read(first, response_id)
        assert (done["status"], done["output"][0]["content"][0]["text"]) == ("completed", "Hello")
        assert await first.perform(ANONYMOUS, response_id)
        assert await read(second, response_id) == done
        assert store.looked == 0
        await first.aclose()
        await second.aclose()
        assert runner.closed == 2

    run(main())


@shows("asked-again")
def test_what_another_process_has_must_be_asked_for_again() -> None:
    async def main() -> None:
        store, runner, goes_on = RenewedStore(), Runner(), asyncio.Event()
        first = instance(store, runner, FakeUpstream([TextDelta("a")], goes_on, [TextDelta("b")]))
        second = instance(store, runner)
        response_id = await queued(first)
        running = asyncio.create_task(first.perform(ANONYMOUS, response_id))
        await asyncio.sleep(2 * LIMITS.lease_s)  # its lease is renewed for as long as it runs
        assert store.renewed > 2
        assert await second.perform(ANONYMOUS, response_id) is False
        goes_on.set()
        assert await running
        renewed = store.renewed
        assert await second.perform(ANONYMOUS, response_id)
        await asyncio.sleep(LIMITS.lease_s)
        assert store.renewed == renewed
        await first.aclose()
        await second.aclose()

    run(main())


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_process_that_has_stopped_is_replaced_when_asked_again(has_begun: bool) -> None:
    """A run that has sent nothing starts again. Another one fails: its events cannot be made twice."""

    async def main() -> None:
        store, runner = SweptStore(), Runner()
        made = instance(store, runner, FakeUpstream([TextDelta("whole")]))
        response_id = await queued(made)
        now = time.time()
        claim = await store.claim(response_id, now=now, until=now + 0.2)
        assert claim is not None
        if has_begun:
            created = Created(sequence_number=0, response=skeleton(id=response_id))
            await store.append_events(claim, EventBatch(0, encode_events([created])))
        assert await made.perform(ANONYMOUS, response_id) is False
        await asyncio.sleep(0.25)
        assert await made.perform(ANONYMOUS, response_id)
        assert (await read(made, response_id))["status"] == ("failed" if has_begun else "completed")
        await made.aclose()

    run(main())


def test_the_end_of_its_host_ends_a_response() -> None:
    async def main() -> None:
        store, runner = SweptStore(), Runner()
        made = instance(store, runner, FakeUpstream([TextDelta("so far")], None))
        response_id = await queued(made)
        assert await made.perform(ANONYMOUS, response_id, time.monotonic() + 1.0)
        done = await read(made, response_id)
        assert (done["status"], done["output"][0]["content"][0]["text"]) == ("incomplete", "so far")
        await made.aclose()

    run(main())


def test_a_response_that_cannot_be_asked_for_has_failed() -> None:
    async def main() -> None:
        store = SweptStore()
        made = instance(store, Runner(unavailable("The response could not be started.", 1.0)))
        answer = await ask(made, {"input": "Hi", "background": True})
        assert answer.status == 503
        [stored] = [entry.row for entry in store._table.entries.values() if hasattr(entry, "row")]
        assert stored.status == "failed"
        await made.aclose()

    run(main())


def test_a_cancelled_response_is_not_run() -> None:
    async def main() -> None:
        store, runner, upstream = SweptStore(), Runner(), FakeUpstream([TextDelta("never")])
        made = instance(store, runner, upstream)
        response_id = await queued(made)
        answer = await ask(made, path=f"/v1/responses/{response_id}/cancel", headers={})
        assert (answer.status, answer.json()["status"]) == (200, "cancelled")
        assert await made.perform(ANONYMOUS, response_id)
        assert upstream.turns == []
        assert await made.perform(ANONYMOUS, "resp_nowhere")
        await made.aclose()

    run(main())


def test_a_cancellation_stops_a_run_in_another_process() -> None:
    async def main() -> None:
        store, runner = SweptStore(), Runner()
        first, second = instance(store, runner, FakeUpstream([TextDelta("a")], None)), instance(store, runner)
        response_id = await queued(first)
        running = asyncio.create_task(first.perform(ANONYMOUS, response_id))
        await asyncio.sleep(0.1)
        assert (await ask(second, path=f"/v1/responses/{response_id}/cancel", headers={})).json()[
            "status"
        ] == "cancelled"
        assert await running
        assert (await read(first, response_id))["status"] == "cancelled"
        await first.aclose()
        await second.aclose()

    run(main())


def test_without_a_runner_nothing_is_run_on_request() -> None:
    async def main() -> None:
        made = service(FakeUpstream(), store=SweptStore())
        with pytest.raises(RuntimeError, match="background_runner"):
            await made.perform(ANONYMOUS, "resp_1")
        await made.aclose()

    run(main())
