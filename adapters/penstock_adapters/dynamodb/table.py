"""The table: single calls of DynamoDB's API, by keys and rows.

It knows the API's forms and quotas, and not what the rows contain. In an expression `#name` is an attribute and `:name`
a value. All reads are consistent, but those of an index. A call that was sent twice must do the same as one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from penstock_adapters.aws import AwsApi, AwsError

from .attributes import Attribute, Row, Value, decode_row, encode, encode_row
from .expressions import expression_names

READ_ROWS_MAX = 100
"""The keys of one `BatchGetItem`, by DynamoDB's quota."""
WRITTEN_ROWS_MAX = 25
"""The rows of one `BatchWriteItem`, by DynamoDB's quota."""
BATCHES_MAX = 8
"""How many batches of one operation are in progress at a time."""
_BACKOFF_S = 0.02
_BACKOFF_MAX_S = 1.0

_T = TypeVar("_T")


class Key(NamedTuple):
    """The key of a row: its partition, and its place within the partition."""

    pk: str
    sk: str


class ConditionFailed(Exception):
    """The condition of a write is not met."""


class Reply(msgspec.Struct, rename="pascal"):
    """A reply about rows. Each operation has some of the fields."""

    item: dict[str, Attribute] = {}
    attributes: dict[str, Attribute] = {}
    items: list[dict[str, Attribute]] = []
    responses: dict[str, list[dict[str, Attribute]]] = {}
    last_evaluated_key: Any = None
    unprocessed_keys: Any = None
    unprocessed_items: Any = None


_decode = msgspec.json.Decoder(Reply).decode


class Query(msgspec.Struct, kw_only=True, frozen=True):
    """Which rows are read, in the order of their sort key."""

    where: str
    values: Mapping[str, Value]
    matching: str | None = None
    """A condition on rows that are read."""
    index: str | None = None
    limit: int | None = None
    """How many rows one page has at most."""
    is_ascending: bool = True
    attributes: Sequence[str] = ()


class Table:
    """One table."""

    def __init__(self, api: AwsApi, name: str) -> None:
        self.name = name
        self.api = api

    async def ask(self, operation: str, request: Mapping[str, Any]) -> Reply:
        """Call an operation on rows. Raises `ConditionFailed`, and `ApiError` 503 for every other refusal."""
        try:
            return _decode(await self._call(operation, request))
        except AwsError as error:  # the table or a permission is missing
            refusal = self.api.refused(error)
        raise refusal

    async def describe(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation on the table itself. Raises `AwsError` for a refusal, and `ApiError` 503."""
        answer: dict[str, Any] = msgspec.json.decode(await self._call(operation, request))
        return answer

    async def _call(self, operation: str, request: Mapping[str, Any]) -> bytes:
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{operation}"}
        try:
            return await self.api.call("/", headers, msgspec.json.encode(request))
        except AwsError as error:
            if error.kind == "ConditionalCheckFailedException":
                raise ConditionFailed from None
            raise

    async def get(self, key: Key, attributes: Sequence[str] = ()) -> Row | None:
        """One row, or some of its attributes."""
        wanted = {"TableName": self.name, "Key": _key(key), "ConsistentRead": True}
        found = await self.ask("GetItem", wanted | _projection(attributes))
        return decode_row(found.item) if found.item else None

    async def put(self, row: Mapping[str, Value], condition: str, values: Mapping[str, Value] = {}) -> None:
        """Write a row. Raises `ConditionFailed`."""
        written = {"TableName": self.name, "Item": encode_row(row), "ConditionExpression": condition}
        await self.ask("PutItem", written | _expressions(values, condition))

    async def update(
        self, key: Key, changes: str, condition: str, values: Mapping[str, Value], returned: str = "NONE"
    ) -> Row:
        """Change a row. Returns its attributes as `returned` names them. Raises `ConditionFailed`."""
        request: dict[str, Any] = {"TableName": self.name, "Key": _key(key), "UpdateExpression": changes}
        request |= {"ConditionExpression": condition, "ReturnValues": returned}
        answer = await self.ask("UpdateItem", request | _expressions(values, changes, condition))
        return decode_row(answer.attributes)

    async def delete(self, key: Key, condition: str, values: Mapping[str, Value] = {}) -> None:
        """Remove a row. Raises `ConditionFailed`."""
        request = {"TableName": self.name, "Key": _key(key), "ConditionExpression": condition}
        await self.ask("DeleteItem", request | _expressions(values, condition))

    async def pages(self, query: Query) -> AsyncGenerator[list[Row]]:
        """The rows of a query, a page at a time; a page has at most 1 MB."""
        request = _query(self.name, query)
        while True:
            answer = await self.ask("Query", request)
            yield [decode_row(row) for row in answer.items]
            if answer.last_evaluated_key is None:
                return
            request["ExclusiveStartKey"] = answer.last_evaluated_key

    async def scan(self, attributes: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Some attributes of all rows, a page at a time."""
        request: dict[str, Any] = {"TableName": self.name} | _projection(attributes)
        while True:
            answer = await self.ask("Scan", request)
            yield [decode_row(row) for row in answer.items]
            if answer.last_evaluated_key is None:
                return
            request["ExclusiveStartKey"] = answer.last_evaluated_key

    async def read(
        self,
        keys: Iterable[Key],
        attributes: Sequence[str] = (),
        *,
        at_once: int = READ_ROWS_MAX,
        batches_max: int = BATCHES_MAX,
    ) -> dict[Key, Row]:
        """Those rows that exist. Up to `batches_max` batches are read at the same time."""
        wanted = [*dict.fromkeys(keys)]
        batches = [wanted[start : start + at_once] for start in range(0, len(wanted), at_once)]
        found: dict[Key, Row] = {}
        for rows in await some_at_a_time([self._read_batch(batch, attributes) for batch in batches], batches_max):
            found.update({Key(row["pk"], row["sk"]): row for row in rows})
        return found

    async def write(
        self, rows: Iterable[Mapping[str, Value]] = (), gone: Iterable[Key] = (), *, at_once: int = WRITTEN_ROWS_MAX
    ) -> None:
        """Write and remove rows, without conditions and in no order. No two may have one key."""
        changes: list[dict[str, Any]] = [{"PutRequest": {"Item": encode_row(row)}} for row in rows]
        changes += [{"DeleteRequest": {"Key": _key(key)}} for key in gone]
        batches = [changes[start : start + at_once] for start in range(0, len(changes), at_once)]
        await some_at_a_time([self._write_batch(batch) for batch in batches])

    async def _read_batch(self, keys: Sequence[Key], attributes: Sequence[str]) -> list[Row]:
        shape = {"ConsistentRead": True} | _projection([*attributes, "pk", "sk"] if attributes else ())
        wanted: Any = {self.name: {"Keys": [*map(_key, keys)]} | shape}
        rows: list[Row] = []
        async for answer in self._until_done("BatchGetItem", wanted):
            rows += [decode_row(row) for row in answer.responses.get(self.name, ())]
        return rows

    async def _write_batch(self, changes: list[dict[str, Any]]) -> None:
        async for _ in self._until_done("BatchWriteItem", {self.name: changes}):
            pass

    async def _until_done(self, operation: str, wanted: Any) -> AsyncGenerator[Reply]:
        """The answers to a batch: what a busy table leaves over is sent again."""
        backoff_s = _BACKOFF_S
        while wanted:
            answer = await self.ask(operation, {"RequestItems": wanted})
            yield answer
            wanted = answer.unprocessed_keys or answer.unprocessed_items
            if wanted:
                await asyncio.sleep(random.uniform(0, backoff_s))
                backoff_s = min(2 * backoff_s, _BACKOFF_MAX_S)


async def some_at_a_time(calls: Sequence[Coroutine[Any, Any, _T]], at_a_time: int = BATCHES_MAX) -> list[_T]:
    """The results of coroutines, of which a limited number is in progress."""
    if len(calls) == 1:
        return [await calls[0]]
    results: Any = [None] * len(calls)
    waiting = iter(enumerate(calls))

    async def work() -> None:
        for number, call in waiting:
            results[number] = await call

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_a_time, len(calls))):
                group.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        for _, call in waiting:
            call.close()
    found: list[_T] = results
    return found


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _query(table: str, query: Query) -> dict[str, Any]:
    request: dict[str, Any] = {"TableName": table, "KeyConditionExpression": query.where}
    request |= {"ScanIndexForward": query.is_ascending}
    request |= {"ConsistentRead": True} if query.index is None else {"IndexName": query.index}
    if query.limit is not None:
        request["Limit"] = query.limit
    if query.matching is not None:
        request["FilterExpression"] = query.matching
    names = [f"#{name}" for name in query.attributes]
    if names:
        request["ProjectionExpression"] = ", ".join(names)
    return request | _expressions(query.values, query.where, query.matching or "", *names)


def _projection(attributes: Sequence[str]) -> dict[str, Any]:
    """The members of a request for some attributes. Many names are reserved words, so that each has an alias."""
    if not attributes:
        return {}
    names = [f"#{name}" for name in attributes]
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": expression_names(*names)}


def _expressions(values: Mapping[str, Value], *expressions: str) -> dict[str, Any]:
    """The members of a request with the names and the values of expressions."""
    request: dict[str, Any] = {}
    if names := expression_names(*expressions):
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = {f":{name}": encode(value) for name, value in values.items()}
    return request
