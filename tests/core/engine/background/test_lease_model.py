"""The protocol of background responses, looked at whole; and the real stores taken on walks through it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from core.engine.background.lease_model import CANCELLER, ENDED, FENCES_MAX, State, Step, reachable, steps
from penstock.ports import Claim, EventBatch, Store, StoredResponse
from penstock.stores.memory import MemoryStore
from penstock.stores.sqlite import SqliteStore

STATES = reachable()
WALKS = 150
WALK_STEPS = 30
_CANCELS = 0.1
"""How often a walk may be cancelled at a step, which ends what is worth walking through."""
OPEN: dict[str, Callable[[Path], Store]] = {
    "memory": lambda path: MemoryStore(),
    "sqlite": lambda path: SqliteStore(path / "walks.db"),
}


def test_the_model_is_not_empty() -> None:
    assert len(STATES) > 500
    result = {step.what for found in STATES.values() for step in found if step.granted}
    assert result == {
        *("claim", "claim by force", "tell", "begin", "completed", "failed", "cancelled"),
        *("lease runs out", "dies", "starts"),
    }
    assert {state.status for state in STATES} == {"queued", "in_progress", *ENDED}


def test_a_response_ends_at_most_once_and_stays_as_it_ended() -> None:
    assert all(len(state.endings) <= 1 for state in STATES)
    for state, found in STATES.items():
        if state.endings:
            assert state.status == state.endings[0]
            assert all(step.after.status == state.status for step in found)


def test_nothing_is_reported_twice() -> None:
    """A run starts again only where no event was written, so that no follower sees the same number twice."""
    assert all(state.runs <= 1 for state in STATES)


def test_no_state_is_a_dead_end() -> None:
    """From wherever it is, the response can still end without its client: crashes cost time, never the response."""
    ends = {state for state in STATES if state.status in ENDED}
    before: dict[State, set[State]] = {}
    for state, found in STATES.items():
        for step in found:
            if step.who != CANCELLER:
                before.setdefault(step.after, set()).add(state)
    unseen = list(ends)
    while unseen:
        for state in before.get(unseen.pop(), ()):
            if state not in ends:
                ends.add(state)
                unseen.append(state)
    assert {state for state in STATES if state.fence < FENCES_MAX} <= ends


@pytest.mark.parametrize("engine", [pytest.param(name, marks=[pytest.mark.slow] * (name == "sqlite")) for name in OPEN])
def test_a_store_walks_as_the_model_does(engine: str, tmp_path: Path) -> None:
    async def walk_all() -> int:
        store = OPEN[engine](tmp_path)
        await store.migrate()
        granted = 0
        for seed in range(WALKS):
            granted += await walk(store, f"resp_{seed}", random.Random(seed))
        await store.aclose()
        return granted

    assert asyncio.run(walk_all()) > WALKS * 3


async def walk(store: Store, response_id: str, rng: random.Random) -> int:
    """Take random steps on a real store, each judged by the model; how many the store granted."""
    row = StoredResponse(
        id=response_id, owner="o", status="queued", created_at=1, background=True, body=b"{}", request=b"{}"
    )
    await store.save(row)
    state, now, granted = State(), 100.0, 0
    for _ in range(WALK_STEPS):
        step = rng.choice([step for step in steps(state) if step.who != CANCELLER or rng.random() < _CANCELS])
        if step.what == "lease runs out":
            now += 100.0
        elif step.what not in ("dies", "starts"):
            assert await ask(store, row, state, step, now) is step.granted, (response_id, state, step)
            granted += step.granted
        state = step.after
    stored = await store.response("o", response_id)
    assert stored is not None
    assert stored.status == state.status
    return granted


async def ask(store: Store, row: StoredResponse, state: State, step: Step, now: float) -> bool:
    """The step as a replica takes it: what the store returns."""
    assert step.who is not None
    if step.what.startswith("claim"):
        claim = await store.claim(row.id, now=1e12 if step.who == CANCELLER else now, until=now + 50.0)
        assert claim is None or claim.fence == state.fence + 1
        return claim is not None
    fence = state.replicas[step.who].fence
    if step.what == "tell":
        return await store.append_events(Claim(row.id, fence), EventBatch(0, b"event: e\ndata: {}\n\n"))
    return await store.settle(with_status(row, {"begin": "in_progress"}.get(step.what, step.what)), fence=fence)


def with_status(row: StoredResponse, status: str) -> StoredResponse:
    return StoredResponse(
        id=row.id,
        owner=row.owner,
        status=status,  # type: ignore[arg-type]
        created_at=row.created_at,
        background=True,
        body=b"{}",
    )
