"""A process that ends, or is stopped for a while, between two writes: what others read and write then."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest

from adapters.dynamodb.calls import Calls, Interrupted
from conformance.engines import ENVIRONMENT, Dynalite
from conformance.kit import ME, NOW, conversation, ended, ids, item, items, response, running
from penstock_adapters.drivers import aws_transport
from penstock_adapters.dynamodb import DynamoStore
from penstock_adapters.dynamodb.rows import conversation_key, response_key
from penstock_adapters.dynamodb.turns import RESERVED_S


async def rescued(store: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reservation of a process that has ended is old now."""
    started = time.time()
    monkeypatch.setattr(store, "_now_s", lambda: started + RESERVED_S + 1)


@pytest.mark.parametrize("step", range(1, 9))
async def test_a_turn_that_is_interrupted_is_added_whole_or_not_at_all(
    step: int, location: str, store: DynamoStore, monkeypatch: pytest.MonkeyPatch, runner: asyncio.Runner
) -> None:
    """Wherever it ends, the response and its conversation agree, for readers and for the next writer."""
    talk = conversation()
    await store.save_conversation(talk, first := items(2))
    turn = running(conversation_id=talk.id, input=items(2))
    await store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60)
    await store.save(turn)
    end = ended(turn, output=items(2))
    dying = DynamoStore(location, aws_transport, ENVIRONMENT)
    calls = Calls(dying, monkeypatch)
    calls.fails_at = step
    with suppress(Interrupted):
        await dying.settle(end)
    await dying.aclose()

    stored = await store.response(ME, turn.id)
    assert stored is not None
    expected = first + turn.input + end.output if stored.status == "completed" else first
    page = await store.page_items(ME, talk.id)
    assert page is not None
    assert page.items == expected
    await rescued(store, monkeypatch)
    assert await store.add_items(ME, talk.id, more := items(1))
    page = await store.page_items(ME, talk.id)
    assert page is not None
    assert page.items == expected + more
    if stored.status != "completed":  # its process was only slow: it may not complete without its turn any more
        row = await store._table.get(response_key(turn.id))
        assert row is not None
        assert await store.settle(ended(turn, "failed"))


async def test_a_slow_turn_that_was_given_up_does_not_complete(
    location: str, store: DynamoStore, monkeypatch: pytest.MonkeyPatch, runner: asyncio.Runner
) -> None:
    """Its process was stopped for a minute between its reservation and its end, as a function may be."""
    talk = conversation()
    await store.save_conversation(talk, [])
    turns = [running(conversation_id=talk.id), response(conversation_id=talk.id)]
    await store.save(turns[0])
    await rescued(store, monkeypatch)
    for turn, operation in ((ended(turns[0]), "UpdateItem"), (turns[1], "PutItem")):
        assert await store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60)
        slow = DynamoStore(location, aws_transport, ENVIRONMENT)
        write = slow._write_items

        async def stopped(reservation: Any, write: Any = write) -> None:
            await write(reservation)
            assert await store.add_items(ME, talk.id, items(1))

        monkeypatch.setattr(slow, "_write_items", stopped)
        done = slow.settle(turn) if operation == "UpdateItem" else slow.save(turn)
        assert await done is False
        await slow.aclose()
        await store.unlock_conversation(talk.id, writer=turn.id)
    page = await store.page_items(ME, talk.id)
    assert page is not None
    assert len(page.items) == 2
    assert await store.response(ME, turns[0].id) == turns[0]
    assert await store.response(ME, turns[1].id) is None
    assert await store.find_items(ME, ids(turns[1].input)) == {}


@pytest.mark.parametrize("kind", ["response", "conversation"])
async def test_a_removal_that_is_interrupted_is_completed_by_a_sweep(
    kind: str, engine: Dynalite, location: str, store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = engine.rows(location)
    talk, known = conversation(), response(input=[*items(30), item(body=b"x" * 500_000)])
    await (store.save(known) if kind == "response" else store.save_conversation(talk, known.input))
    calls = Calls(store, monkeypatch)
    calls.fails_at = 4
    with pytest.raises(Interrupted):
        await (store.delete_response(ME, known.id) if kind == "response" else store.delete_conversation(ME, talk.id))
    calls.fails_at = None
    assert await store.find_items(ME, ids(known.input)) == {}
    assert await store.sweep(now=time.time(), limit=10) == 0
    assert engine.rows(location) > before
    assert await store.sweep(now=time.time() + 99, limit=10) == 0
    assert engine.rows(location) == before


async def test_a_refused_token_leaves_nothing(
    engine: Dynalite, location: str, store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a response that was never saved."""
    talk = conversation()
    await store.save_conversation(talk, [])
    before = engine.rows(location)
    turn = response(conversation_id=talk.id)
    await store.lock_conversation(talk.id, writer=turn.id, now=NOW, until=NOW + 60)
    calls = Calls(store, monkeypatch)
    calls.fails_at = 5
    with pytest.raises(Interrupted):
        await store.save(turn)
    calls.fails_at = None
    assert calls.operations[4] == "PutItem"
    await rescued(store, monkeypatch)
    assert await store.add_items(ME, talk.id, items(1))
    await store.sweep(now=time.time() + 999, limit=10)
    rows = {row["pk"]["S"] for row in engine._scan(location)}
    assert response_key(turn.id).pk not in rows
    assert engine.rows(location) <= before + 2 + 2  # the added item, and at most the hints to where the turn's would be


async def test_a_crashed_append_leaves_a_hole_that_no_reader_enters(
    store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = conversation()
    await store.save_conversation(talk, first := items(1))
    calls = Calls(store, monkeypatch)
    calls.fails_at = 5
    with pytest.raises(Interrupted):
        await store.add_items(ME, talk.id, lost := items(3))
    calls.fails_at = None
    await rescued(store, monkeypatch)
    assert await store.add_items(ME, talk.id, [lost[1], *(more := items(2))])
    page = await store.page_items(ME, talk.id)
    assert page is not None
    assert page.items == [*first, lost[1], *more]
    row = await store._table.get(conversation_key(talk.id))
    assert row is not None
    assert row["holes"] == [{"first": 1, "end": 4}]
