"""Random walks: two replicas of every engine against a simple model, step by step; at the end nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from conformance.engines import Engine
from conformance.kit import EXPIRED, LATER, ME, NOW, OTHER, batch, log_after, numbers_of
from conformance.model import Model
from penstock.ports import ChainTooLong, Claim, ItemPage, Store, StoredConversation, StoredItem, StoredResponse

T = TypeVar("T")

WALKS = 40
STEPS = 50
_walks = count(1)

STATUS: Any = st.sampled_from(["queued", "in_progress", "completed", "completed", "incomplete", "failed", "cancelled"])
OWNER = st.sampled_from([ME, ME, ME, OTHER])
EXPIRY = st.sampled_from([None, None, None, LATER, EXPIRED])
ITEMS = st.lists(st.tuples(st.integers(0, 15), st.sampled_from([b"", b"{}", b"\0\xff"])), max_size=4)
WHICH = st.integers(0, 30)
"""One of what there is; what it is modulo how many there are."""


class Walk(RuleBasedStateMachine):
    """One walk; its ids are its own, so that many may go over the same data one after the other."""

    runner: asyncio.Runner
    stores: tuple[Store, Store]

    def __init__(self) -> None:
        super().__init__()
        self.walk = next(_walks)
        self.numbers = count(1)
        self.now = NOW
        self.model = Model(NOW)
        self.response_ids = [self.id("resp_none")]
        self.conversation_ids = [self.id("conv_none")]
        self.claims = [Claim(self.id("resp_none"), 1)]

    def id(self, name: str) -> str:
        return f"{name}_{self.walk}_{next(self.numbers)}"

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @property
    def store(self) -> Store:
        """Now one replica, now the other."""
        return self.stores[next(self.numbers) % 2]

    def items(self, drawn: list[tuple[int, bytes]]) -> list[StoredItem]:
        return [StoredItem(f"msg_{self.walk}_{number}", body) for number, body in drawn]

    def one_response(self, which: int) -> str:
        return self.response_ids[which % len(self.response_ids)]

    def one_conversation(self, which: int) -> str:
        return self.conversation_ids[which % len(self.conversation_ids)]

    def one_claim(self, which: int) -> Claim:
        return self.claims[which % len(self.claims)]

    @rule(seconds=st.integers(1, 100))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    # Responses.

    @rule(
        status=STATUS,
        owner=OWNER,
        expires_at=EXPIRY,
        background=st.booleans(),
        before=st.none() | WHICH,
        talk=st.none() | WHICH,
        locks=st.booleans(),
        sent=ITEMS,
        answered=ITEMS,
    )
    def save(
        self,
        before: int | None,
        talk: int | None,
        locks: bool,
        sent: Any,
        answered: Any,
        background: bool,
        **fields: Any,
    ) -> None:
        row = StoredResponse(
            id=self.id("resp"),
            created_at=int(NOW) + next(self.numbers),
            previous_response_id=None if before is None else self.one_response(before),
            conversation_id=None if talk is None else self.one_conversation(talk),
            background=background,
            body=b"begun",
            request=b"request",
            input=self.items(sent),
            output=self.items(answered),
            **fields,
        )
        self.response_ids.append(row.id)
        if locks and row.conversation_id:
            self.lock_by(row.conversation_id, row.id)
        assert self.run(self.store.save(row)) == self.model.save(row)

    @rule(which=WHICH, owner=OWNER, status=STATUS, answered=ITEMS, fence=st.none() | st.integers(0, 3))
    def settle(self, which: int, owner: str, status: Any, answered: Any, fence: int | None) -> None:
        body = b"settled %d" % next(self.numbers)
        row = StoredResponse(
            id=self.one_response(which),
            owner=owner,
            status=status,
            created_at=0,
            body=body,
            output=self.items(answered),
        )
        assert self.run(self.store.settle(row, fence=fence)) == self.model.settle(row, fence)

    @rule(which=WHICH, owner=OWNER)
    def read(self, which: int, owner: str) -> None:
        known = self.model.response(self.one_response(which), owner)
        assert self.run(self.store.response(owner, self.one_response(which))) == (known.row if known else None)

    @rule(which=WHICH, owner=OWNER)
    def delete(self, which: int, owner: str) -> None:
        response_id = self.one_response(which)
        expected = self.model.delete_response(owner, response_id)
        assert self.run(self.store.delete_response(owner, response_id)) == expected

    @rule(which=WHICH, owner=OWNER, responses_max=st.integers(1, 8))
    def chain(self, which: int, owner: str, responses_max: int) -> None:
        expected = self.model.chain(owner, self.one_response(which))
        reading = self.store.chain(owner, self.one_response(which), responses_max=responses_max)
        if len(expected) > responses_max:
            with pytest.raises(ChainTooLong):
                self.run(reading)
            return
        for known, found in zip(expected, self.run(reading), strict=True):
            assert (found.id, found.status, found.input, found.output) == (
                known.id,
                known.status,
                known.input,
                known.output,
            )
            assert found.previous_response_id == known.previous_response_id
            assert found.conversation_id == known.conversation_id

    @rule(
        which=WHICH,
        owner=OWNER,
        responses_max=st.integers(1, 8),
        after=st.none() | st.integers(0, 15),
        limit=st.integers(1, 5),
        order=st.sampled_from(["asc", "desc"]),
    )
    def page_input(self, which: int, owner: str, responses_max: int, after: int | None, limit: int, order: Any) -> None:
        behind = None if after is None else self.items([(after, b"")])[0].id
        response_id = self.one_response(which)
        reading = self.store.page_input_items(
            owner, response_id, responses_max=responses_max, after=behind, limit=limit, order=order
        )
        if len(self.model.chain(owner, response_id)) > responses_max:
            with pytest.raises(ChainTooLong):
                self.run(reading)
            return
        expected = self.model.page_input(owner, response_id, behind, limit, order)
        assert self.run(reading) == (None if expected is None else ItemPage(*expected))

    @rule(owner=OWNER)
    def find_items(self, owner: str) -> None:
        expected = {item.id: self.model.bodies(owner, item.id) for item in self.items([(n, b"") for n in range(16)])}
        found = self.run(self.store.find_items(owner, list(expected)))
        assert set(found) == {item_id for item_id, bodies in expected.items() if bodies}
        assert all(body in expected[item_id] for item_id, body in found.items())

    # Leases and events.

    @rule(which=WHICH, for_s=st.integers(1, 100))
    def claim(self, which: int, for_s: int) -> None:
        times = {"now": self.now, "until": self.now + for_s}
        claim = self.run(self.store.claim(self.one_response(which), **times))
        assert claim == self.model.claim(self.one_response(which), **times)
        if claim:
            self.claims.append(claim)

    @rule(which=st.sets(WHICH), for_s=st.integers(1, 100))
    def renew(self, which: set[int], for_s: int) -> None:
        claims = list({each.response_id: each for each in map(self.one_claim, which)}.values())
        lost = self.run(self.store.renew(claims, until=self.now + for_s))
        assert lost == self.model.renew(claims, self.now + for_s)

    @rule(which=WHICH)
    def release(self, which: int) -> None:
        self.run(self.store.release(self.one_claim(which)))
        self.model.renew([self.one_claim(which)], None)

    @rule()
    def unclaimed(self) -> None:
        found = self.run(self.store.unclaimed(now=self.now, limit=1_000))
        assert found == self.model.unclaimed(self.now)

    @rule(which=WHICH, number=st.integers(1, 4))
    def append(self, which: int, number: int) -> None:
        claim = self.one_claim(which)
        held = self.model.held(claim)
        log = numbers_of(held.log) if held else []
        assert self.run(self.store.append_events(claim, batch(len(log), number))) is (held is not None)
        if held:
            held.log.append(batch(len(log), number))

    @rule(which=WHICH, after=st.integers(-1, 12))
    def follow(self, which: int, after: int) -> None:
        known = self.model.response(self.one_claim(which).response_id)
        expected = [n for n in numbers_of(known.log) if n > after] if known else []
        assert self.run(log_after(self.store, self.one_claim(which).response_id, after)) == expected

    # Conversations.

    @rule(owner=OWNER, expires_at=EXPIRY, some=ITEMS)
    def save_conversation(self, owner: str, expires_at: int | None, some: Any) -> None:
        row = StoredConversation(id=self.id("conv"), owner=owner, created_at=int(NOW), expires_at=expires_at)
        self.conversation_ids.append(row.id)
        self.run(self.store.save_conversation(row, self.items(some)))
        self.model.save_conversation(row, self.items(some))

    @rule(which=WHICH, owner=OWNER, metadata=st.binary(max_size=5))
    def update_conversation(self, which: int, owner: str, metadata: bytes) -> None:
        known = self.model.conversation(self.one_conversation(which), owner)
        done = self.run(self.store.update_conversation(owner, self.one_conversation(which), metadata))
        assert done is (known is not None)
        if known:
            known.row.metadata = metadata

    @rule(which=WHICH, owner=OWNER)
    def read_conversation(self, which: int, owner: str) -> None:
        known = self.model.conversation(self.one_conversation(which), owner)
        assert self.run(self.store.conversation(owner, self.one_conversation(which))) == (known.row if known else None)

    @rule(which=WHICH, owner=OWNER)
    def delete_conversation(self, which: int, owner: str) -> None:
        known = self.model.conversation(self.one_conversation(which), owner)
        done = self.run(self.store.delete_conversation(owner, self.one_conversation(which)))
        assert done is (known is not None)
        self.model.remove([known.row] if known else [])

    @rule(which=WHICH, owner=OWNER, some=ITEMS)
    def add_items(self, which: int, owner: str, some: Any) -> None:
        known = self.model.conversation(self.one_conversation(which), owner)
        done = self.run(self.store.add_items(owner, self.one_conversation(which), self.items(some)))
        assert done is (known is not None)
        if known:
            known.add(self.items(some))

    @rule(which=WHICH, owner=OWNER, number=st.integers(0, 15))
    def delete_item(self, which: int, owner: str, number: int) -> None:
        [item] = self.items([(number, b"")])
        known = self.model.conversation(self.one_conversation(which), owner)
        rest = [each for each in known.items if each.id != item.id] if known else []
        done = self.run(self.store.delete_item(owner, self.one_conversation(which), item.id))
        assert done is bool(known and len(rest) < len(known.items))
        if known:
            known.items = rest

    @rule(which=WHICH, owner=OWNER, number=st.integers(0, 15))
    def read_item(self, which: int, owner: str, number: int) -> None:
        [item] = self.items([(number, b"")])
        known = self.model.conversation(self.one_conversation(which), owner)
        bodies = {each.id: each.body for each in known.items} if known else {}
        assert self.run(self.store.item(owner, self.one_conversation(which), item.id)) == bodies.get(item.id)

    @rule(
        which=WHICH,
        owner=OWNER,
        after=st.none() | st.integers(0, 15),
        limit=st.none() | st.integers(1, 5),
        order=st.sampled_from(["asc", "desc"]),
    )
    def page(self, which: int, owner: str, after: int | None, limit: int | None, order: Any) -> None:
        behind = None if after is None else self.items([(after, b"")])[0].id
        conversation_id = self.one_conversation(which)
        found = self.run(self.store.page_items(owner, conversation_id, after=behind, limit=limit, order=order))
        expected = self.model.page(owner, conversation_id, behind, limit, order)
        assert found == (None if expected is None else ItemPage(*expected))

    @rule(which=WHICH, writer=WHICH)
    def lock(self, which: int, writer: int) -> None:
        self.lock_by(self.one_conversation(which), self.one_response(writer))

    def lock_by(self, conversation_id: str, writer: str) -> None:
        times = {"now": self.now, "until": self.now + 50}
        locked = self.run(self.store.lock_conversation(conversation_id, writer=writer, **times))
        assert locked == self.model.lock(conversation_id, writer, **times)

    @rule(which=WHICH, writer=WHICH)
    def unlock(self, which: int, writer: int) -> None:
        self.run(self.store.unlock_conversation(self.one_conversation(which), writer=self.one_response(writer)))
        known = self.model.conversation(self.one_conversation(which))
        if known and known.writer == self.one_response(writer):
            known.writer = None

    # Retention.

    @precondition(lambda self: len(self.response_ids) > 5)
    @rule(now=st.sampled_from([NOW, LATER]))
    def sweep(self, now: float) -> None:
        """What has expired long ago the engine may have removed by itself, and need not count."""
        expired = self.model.expired(now)
        there = [row for row in expired if self.model.alive(row)]
        assert len(there) <= self.run(self.store.sweep(now=now, limit=10_000)) <= len(expired)
        self.model.remove(expired)

    def teardown(self) -> None:
        """Everything is as in the model, and may be deleted."""
        for response_id in self.response_ids:
            for owner in (ME, OTHER):
                self.delete(self.response_ids.index(response_id), owner)
        for n, _ in enumerate(self.conversation_ids):
            for owner in (ME, OTHER):
                self.delete_conversation(n, owner)
        self.run(self.store.sweep(now=LATER, limit=10_000))


def test_every_engine_does_as_the_model_does(
    engine: Engine, location: str, stores: tuple[Store, Store], runner: asyncio.Runner
) -> None:
    before = engine.rows(location)
    machine = type("Walk", (Walk,), {"runner": runner, "stores": stores})
    steps = settings(max_examples=WALKS, stateful_step_count=STEPS, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=steps)
    assert engine.rows(location) == before
