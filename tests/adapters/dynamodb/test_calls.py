"""How many calls an operation takes, and what every row has."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from adapters.dynamodb.calls import Calls
from conformance.engines import ENVIRONMENT, Dynalite
from conformance.kit import LATER, ME, batch, claimed, conversation, ended, ids, item, items, response, running
from penstock.ports import StoredResponse
from penstock_adapters.drivers import aws_transport
from penstock_adapters.dynamodb import DynamoStore


async def save_chain(store: DynamoStore, length: int) -> list[StoredResponse]:
    rows = [response() for _ in range(length)]
    for before, row in pairwise(rows):
        row.previous_response_id = before.id
    for row in rows:
        await store.save(row)
    return rows


async def test_the_calls_of_a_turn(store: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await save_chain(store, 3)
    calls = Calls(store, monkeypatch)
    await store.save(response(previous_response_id=rows[-1].id))
    assert calls.operations == ["PutItem", "BatchWriteItem"]
    calls.operations.clear()
    assert ids(await store.chain(ME, rows[-1].id, responses_max=5)) == ids(rows)
    assert calls.operations == ["BatchGetItem"] * 2
    calls.operations.clear()
    assert await store.response(ME, rows[0].id)
    assert calls.operations == ["GetItem"]


async def test_another_process_follows_a_long_chain_in_few_round_trips(
    location: str, store: DynamoStore, monkeypatch: pytest.MonkeyPatch, runner: asyncio.Runner
) -> None:
    rows = await save_chain(store, 300)
    other = DynamoStore(location, aws_transport, ENVIRONMENT)
    await other.migrate()
    steps = 0
    read_links = other._read_links

    async def counted(*arguments: Any) -> None:
        nonlocal steps
        steps += 1
        await read_links(*arguments)

    monkeypatch.setattr(other, "_read_links", counted)
    assert ids(await other.chain(ME, rows[-1].id, responses_max=300)) == ids(rows)
    assert steps == 3
    assert ids(await other.chain(ME, rows[-1].id, responses_max=300)) == ids(rows)
    assert steps == 4
    await other.aclose()


async def test_every_row_of_what_expires_has_a_time_to_live(
    engine: Dynalite, location: str, store: DynamoStore
) -> None:
    large = item(body=b"x" * 1_000_000)
    talk, known = conversation(expires_at=LATER), running(expires_at=LATER, input=[large])
    await store.save_conversation(talk, [*items(3), large])
    await store.save(known)
    claim = await claimed(store, known)
    await store.append_events(claim, batch(0, 100_000))
    await store.settle(ended(known, output=[large, *items(2)]), fence=claim.fence)
    rows = [row for row in engine._scan(location) if row["pk"]["S"] != "schema"]
    assert len(rows) > 15
    assert {row.get("expires", {}).get("N") for row in rows} == {str(LATER)}


async def test_the_table_has_a_time_to_live_and_two_indexes(store: DynamoStore) -> None:
    described = await store._table.describe("DescribeTable", {"TableName": store._table.name})
    table = described["Table"]
    assert {each["IndexName"] for each in table["GlobalSecondaryIndexes"]} == {"waiting", "due"}
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
