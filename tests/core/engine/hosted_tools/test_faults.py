"""Hosted calls whose tool, upstream, store or process fails at a random step: one end, and nothing runs twice.

`HOSTED_STORIES` sets how many responses each fault is tried with.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

import pytest

from core.engine.hosted_tools.families import (
    END,
    MAPS,
    SEARCH,
    FakeTool,
    McpSession,
    SearchSession,
    Turns,
    called,
    policies,
)
from core.engine.hosted_tools.test_laws import STORIES_MAX
from core.kit import LOCAL, Json, OpenSealer, ask, drain, service
from penstock.errors import unavailable, upstream_failed
from penstock.http import Request
from penstock.limits import Limits
from penstock.ports import ENDED, Deltas, StoredResponse, Turn
from penstock.service import Service
from penstock.stores.memory import MemoryStore
from penstock.transcript.deltas import Delta, ReasoningDelta, TextDelta
from penstock.wire import McpTool, WebSearchTool
from requirements import shows
from support import oracle
from support.sse import events

LIMITS = Limits(lease_s=0.3, writer_lock_s=0.3, tool_call_s=0.2, retry_backoff_s=0.01)
AT_ONCE = 60
WAIT_S = 60.0
"""How long a busy machine may take for what takes a second."""
STEPS_MAX = {"tool": 6, "upstream": 14, "store": 12, "replica": 30}
"""At which of the steps of its kind a fault comes at the latest; some responses end before it."""


class Replica:
    """One process. It counts steps of each kind; one of them fails, or is its last."""

    def __init__(self, fault: str, at: int) -> None:
        self.fault, self.at = fault, at
        self.steps: Counter[str] = Counter()
        self.is_dead = False
        self.died = asyncio.Event()
        self._revived = asyncio.Event()

    def revive(self) -> None:
        """Let the tasks of a dead replica end. The test does so, when it has seen what it wanted to see."""
        self._revived.set()
        self.at = sys.maxsize
        self.is_dead = False

    async def step(self, kind: str) -> bool:
        """The next step of a kind. Returns whether it is the one that fails."""
        self.steps[kind] += 1
        if self.fault == "replica" and self.steps.total() >= self.at:
            self.is_dead = True
            self.died.set()
        if self.is_dead:
            await self._revived.wait()
            raise asyncio.CancelledError
        return kind == self.fault and self.steps[kind] == self.at


class NotingStore(MemoryStore):
    """A store that notes the ids of what is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []

    async def save(self, response: StoredResponse) -> bool:
        self.ids.append(response.id)
        return await super().save(response)


class Link:
    """The store, as one replica reaches it."""

    def __init__(self, store: MemoryStore, replica: Replica) -> None:
        self._store, self._replica = store, replica

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return self._linked(method) if iscoroutinefunction(method) else method

    def _linked(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*given: Any, **named: Any) -> Any:
            if await self._replica.step("store"):
                raise unavailable("The store is not available.", 0.01)
            return await method(*given, **named)

        return call


class Family(FakeTool):
    """A family whose server counts what it is asked."""

    def __init__(self, kind: Any, session: Any, replica: Replica, served: Counter[str]) -> None:
        super().__init__(kind, session, lambda _: None)
        self._replica, self._served = replica, served

    async def give(self, arguments: str) -> str:
        if await self._replica.step("tool"):
            raise ValueError("a bug")
        self._served[arguments] += 1
        if await self._replica.step("tool"):
            await asyncio.Event().wait()
        return f"read {arguments}"


class Model(Turns):
    """An upstream that may break at any batch."""

    def __init__(self, replica: Replica, *turns: Any) -> None:
        super().__init__(*turns)
        self._replica = replica

    async def open(self, turn: Turn) -> Deltas:
        if await self._replica.step("upstream"):
            raise upstream_failed("It broke.")
        return _Breaking(await super().open(turn), self._replica)


class _Breaking:
    def __init__(self, deltas: Deltas, replica: Replica) -> None:
        self._deltas, self._replica = deltas, replica

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        if await self._replica.step("upstream"):
            raise upstream_failed("It broke.")
        return await anext(aiter(self._deltas))

    async def aclose(self) -> None:
        await self._deltas.aclose()


def turns_of(rng: random.Random) -> list[Any]:
    """Up to three turns with calls, of which no two have the same arguments, and an answer."""
    number = 0
    turns: list[Any] = []
    for _ in range(rng.randint(1, 3)):
        deltas: list[Delta] = [ReasoningDelta("Hmm")] if rng.random() < 0.5 else []
        for index in range(rng.randint(1, 3)):
            name = rng.choice(["web_search", "maps__route", "maps__find"])
            number += 1
            deltas += called(index, name, f'{{"n":{number}', "}")
        turns.append([*([delta] for delta in deltas), END])
    return [*turns, [[TextDelta("Well")], [TextDelta(" done.")], END]]


class Story:
    """One response, and the replicas that run it."""

    def __init__(self, fault: str, seed: int) -> None:
        rng = random.Random(f"{fault} {seed}")
        self.name = f"{fault} {seed}"
        self.turns = turns_of(rng)
        self.served: Counter[str] = Counter()
        self.store = NotingStore()
        self.background = fault == "replica" or rng.random() < 0.5
        self.stream = rng.random() < 0.7
        self.replica = Replica(fault, rng.randint(1, STEPS_MAX[fault]))
        self.families: list[Family] = []

    def server(self, replica: Replica) -> Service:
        kinds = ((WebSearchTool, SearchSession), (McpTool, McpSession))
        families = [Family(kind, session, replica, self.served) for kind, session in kinds]
        self.families += families
        store: Any = Link(self.store, replica)
        model = Model(replica, *self.turns)
        return service(model, policies=policies(*families), store=store, limits=LIMITS, sealer=OpenSealer())

    async def tried(self) -> None:
        """Run it until the response has ended, and judge what is stored and sent of it."""
        first, other = self.server(self.replica), self.server(Replica("none", 0))
        asking = asyncio.ensure_future(self._asked(first))
        dying = asyncio.ensure_future(self.replica.died.wait())
        await asyncio.wait({asking, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if not self.replica.is_dead:
            await asking
        if self.background:
            await self._ended(other)
        await asyncio.wait_for(other.aclose(), WAIT_S)
        if self.replica.is_dead:
            asking.cancel()  # what is left of a process that has died is its tasks
            await asyncio.gather(asking, return_exceptions=True)
        self.replica.revive()
        await asyncio.wait_for(first.aclose(), WAIT_S)
        assert all(count == 1 for count in self.served.values()), (self.name, self.served)
        assert all(family.running == 0 for family in self.families), self.name

    async def _asked(self, server: Service) -> None:
        asked = {"input": "Hi", "tools": [SEARCH, MAPS], "stream": self.stream, "background": self.background}
        answer = await ask(server, asked)
        if answer.status == 200 and self.stream:
            self._check(answer.body)
        else:
            assert answer.status in (200, 502, 503), (self.name, answer)

    async def _ended(self, server: Service) -> None:
        """The stored response has ended, and so has its stream. There is none where it was not even accepted."""
        for response_id in self.store.ids:
            path = f"/v1/responses/{response_id}"
            for _ in range(round(WAIT_S / 0.05)):
                response = (await ask(server, method="GET", path=path)).json()
                if response["status"] in ENDED:
                    break
                await asyncio.sleep(0.05)
            assert response["status"] in ENDED, self.name
            if self.stream:
                reply = await server.handle(Request(method="GET", path=path, headers=LOCAL, query="stream=true"))
                assert self._check(await drain(reply)) == response, self.name

    def _check(self, body: bytes) -> Json:
        """The Response at the one end of a stream. A follower that the store fails gets an error, and may resume."""
        sent = events(body)
        if self.background and sent[-1]["type"] == "error":
            return {}
        return oracle.check_stream(sent)


async def try_all(stories: list[Story]) -> None:
    """Try stories, some at a time. Nothing of them is left."""
    for at in range(0, len(stories), AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for story in stories[at : at + AT_ONCE]:
                group.create_task(story.tried(), name=story.name)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []


@shows("hosted-calls", "one-end")
@pytest.mark.slow
@pytest.mark.parametrize("fault", STEPS_MAX)
def test_a_fault_at_any_step_ends_the_response_once(fault: str) -> None:
    asyncio.run(try_all([Story(fault, seed) for seed in range(STORIES_MAX)]))
