"""Maintenance: the table is made, checked, swept and counted.

A table of AWS needs no sweeps: DynamoDB removes rows by their attribute `expires` within some days, without cost.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from penstock_adapters.aws import AwsError

from .attributes import Row
from .events import WAITING, Events
from .expressions import both, setting
from .lookups import Lookups
from .marks import MARK, DynamoMarks
from .rows import CONVERSATION, HEAD, PURGE_S, RESPONSE, SHARDS, due
from .table import ConditionFailed, Key, Query

DUE = "due"
"""The index of rows that expire."""
SCHEMA = 1
"""The format of the rows; a larger number is a newer Penstock's."""
_SCHEMA_KEY = Key("schema", HEAD)
_ACTIVE_S = 60.0
_POLL_S = 0.25
_MISSING = "ResourceNotFoundException"
_EXISTS = "ResourceInUseException"


class Maintenance(Lookups, Events, DynamoMarks):
    """The methods of `Store` that are not about single rows."""

    async def migrate(self) -> None:
        """See `Store`. It makes a table that is missing. Raises `RuntimeError` for data of a newer Penstock."""
        self._table.api.open()
        try:
            row = await self._schema_row()
        except AwsError as error:
            if error.kind != _MISSING:
                raise
            await self._create()
            row = None
        if row is None:
            await self._table.write([{"pk": _SCHEMA_KEY.pk, "sk": _SCHEMA_KEY.sk, "schema": SCHEMA}])
        elif row["schema"] > SCHEMA:
            raise RuntimeError(f"the store has schema {row['schema']}, a newer Penstock's; this one knows {SCHEMA}")

    async def _schema_row(self) -> Row | None:
        """The row of the schema. Raises `AwsError` where there is no table."""
        key = {"pk": {"S": _SCHEMA_KEY.pk}, "sk": {"S": _SCHEMA_KEY.sk}}
        answer = await self._table.describe(
            "GetItem", {"TableName": self._table.name, "Key": key, "ConsistentRead": True}
        )
        return {"schema": int(answer["Item"]["schema"]["N"])} if answer.get("Item") else None

    async def check(self) -> None:
        """See `Store`. It writes the row of the schema again."""
        await self._table.update(_SCHEMA_KEY, "SET #schema = :schema", "#schema = :schema", {"schema": SCHEMA})

    async def time_s(self) -> float:
        """See `Store`: the time of DynamoDB's reply."""
        await self._table.get(_SCHEMA_KEY, ("schema",))
        return self._table.api.time_s()

    async def sweep(self, *, now: float, limit: int) -> int:
        """See `Store`."""
        swept = 0
        for shard in range(SHARDS):
            values = {"shard": str(shard), "now": now}
            query = Query(where="#shard = :shard AND #due <= :now", values=values, index=DUE, limit=limit)
            async with aclosing(self._table.pages(query)) as pages:
                async for page in pages:
                    for listed in page:
                        if swept == limit:
                            return swept
                        swept += await self._sweep_row(Key(listed["pk"], listed["sk"]), now)
        return swept

    async def stats(self) -> dict[str, int]:
        """See `Store`. It reads the whole table; `bytes` is some hours old."""
        counts = {"responses": 0, "conversations": 0, "marks": 0}
        async for page in self._table.scan(("pk", "sk", "owner")):
            for row in page:
                counts["marks"] += row["pk"].startswith(MARK)
                if row["sk"] == HEAD and "owner" in row:
                    counts["responses"] += row["pk"].startswith(RESPONSE)
                    counts["conversations"] += row["pk"].startswith(CONVERSATION)
        described = await self._table.describe("DescribeTable", {"TableName": self._table.name})
        return counts | {"bytes": int(described["Table"].get("TableSizeBytes", 0))}

    async def aclose(self) -> None:
        """See `Store`."""
        await self._table.api.aclose()

    async def _sweep_row(self, key: Key, now: float) -> int:
        """Remove a row that has expired, or continue to remove a hidden one. Returns how many have expired."""
        if key.pk.startswith(MARK):
            return await self._sweep_mark(key, now)
        row = await self._table.get(key, ("pk", "owner", "gone", "expires", "due"))
        if row is None or row.get("due", now + 1) > now:
            return 0
        if "owner" in row:
            return await self._sweep_expired(key, row, now)
        if await self._defer(key, row, now):
            await self._purge_hidden(await self._table.get(key) or {})
        return 0

    async def _sweep_expired(self, key: Key, row: Row, now: float) -> int:
        if row.get("expires", now + 1) > now:  # it was listed for its refused token
            await self._reschedule(key, row)
            return 0
        hidden = await self._hide(key, now, expired_at=now)
        if hidden is None:
            return 0
        await self._purge_hidden(hidden)
        return 1

    async def _purge_hidden(self, row: Row) -> None:
        if "gone" not in row:
            if "pk" in row:  # it never was a response: it refuses the token of one
                await self._purge(row, [])
        elif row["pk"].startswith(RESPONSE):
            await self._purge_response(row)
        else:
            await self._purge_conversation(row)

    async def _defer(self, key: Key, row: Row, now: float) -> bool:
        """Take the removal of a hidden row. False where another process has taken it."""
        expression, values = setting(due(key.pk, now + PURGE_S))
        condition = both("attribute_not_exists(#owner)", "#due = :seen")
        try:
            await self._table.update(key, expression, condition, values | {"seen": row["due"]})
        except ConditionFailed:
            return False
        return True

    async def _reschedule(self, key: Key, row: Row) -> None:
        expression, values = setting(due(key.pk, row.get("expires")))
        try:
            await self._table.update(key, expression, "#due = :seen", values | {"seen": row["due"]})
        except ConditionFailed:
            return

    async def _create(self) -> None:
        """Make the table, with its indexes and its time to live. Other processes may do so at the same time."""
        try:
            await self._table.describe("CreateTable", table_definition(self._table.name))
        except AwsError as error:
            if error.kind != _EXISTS:
                raise
        async with asyncio.timeout(_ACTIVE_S):
            while not await self._is_active():  # noqa: ASYNC110 - another service makes the table
                await asyncio.sleep(_POLL_S)
        try:
            await self._table.describe(
                "UpdateTimeToLive", {"TableName": self._table.name, "TimeToLiveSpecification": _TTL}
            )
        except AwsError as error:  # another process was faster, or the server has none
            if error.kind not in ("ValidationException", "UnknownOperationException", _EXISTS):
                raise

    async def _is_active(self) -> bool:
        try:
            described = await self._table.describe("DescribeTable", {"TableName": self._table.name})
        except AwsError as error:
            if error.kind != _MISSING:
                raise
            return False
        table = described["Table"]
        states = [table["TableStatus"], *(each.get("IndexStatus") for each in table.get("GlobalSecondaryIndexes", ()))]
        return all(state == "ACTIVE" for state in states)


_TTL = {"Enabled": True, "AttributeName": "expires"}


def table_definition(name: str) -> dict[str, Any]:
    """The request that makes the table. `deploy/aws/template.yaml` has the same."""
    texts, numbers = ("pk", "sk", "waiting", "shard"), ("created", "due")
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            *({"AttributeName": each, "AttributeType": "S"} for each in texts),
            *({"AttributeName": each, "AttributeType": "N"} for each in numbers),
        ],
        "KeySchema": _keys("pk", "sk"),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": WAITING,
                "KeySchema": _keys("waiting", "created"),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["until"]},
            },
            {"IndexName": DUE, "KeySchema": _keys("shard", "due"), "Projection": {"ProjectionType": "KEYS_ONLY"}},
        ],
    }


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
