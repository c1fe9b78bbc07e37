"""The events of background responses, and their leases, in DynamoDB.

A batch of events is a row, which readers see when the response's row has its number in `last`. That change has the
condition that the lease is the claim's. So a process without the lease leaves a row that no reader sees, or one with a
lower fence than the row of the same number that counts.

DynamoDB sends no notifications: a reader that waits asks again, less often with time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from contextlib import aclosing

from penstock.ports import Claim, EventBatch, StoredResponse

from ._base import Base
from .attributes import Row
from .blobs import BATCH_PIECES_MAX, PIECE_BYTES_MAX, BlobLost, Split, new_version, read_blobs
from .expressions import both
from .rows import LIVE, SAVED_BLOBS, SETTLED_BLOBS, is_live, response_from, response_key
from .table import ConditionFailed, Key, Query, some_at_a_time

BATCHES_MAX = 100
"""How many batches of events are returned at a time."""
POLL_S = 0.05
"""The first wait before a reader asks again, in seconds; it grows by half each time."""
POLL_MAX_S = 0.5
WAITING = "waiting"
"""The index of background responses that have not ended."""
REMEMBERED_MAX = 1_000
"""The expiries of claimed responses that a process remembers."""
_RUNNING = both(LIVE, "attribute_exists(#running)")
_HELD = both(_RUNNING, "#fence = :fence AND attribute_exists(#until)")
_DIGITS = 12


class Events(Base):
    """An `EventLog`, and `Leases`."""

    _expiries: OrderedDict[str, int | None]

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """See `EventLog`."""
        key = response_key(claim.response_id)
        expires = await self._expiry(claim.response_id)
        sort_key = _sort_key(batch.first, claim.fence)
        split = Split(key.pk, {"data": batch.data}, sort_key, PIECE_BYTES_MAX)
        pieces = [piece | {"expires": expires} for piece in split.pieces]
        await self._table.write(pieces, at_once=BATCH_PIECES_MAX)
        await self._table.write([{"pk": key.pk, "sk": sort_key, "expires": expires, **split.attributes("lengths")}])
        condition = both(_HELD, "attribute_not_exists(#last) OR #last <= :last")
        try:
            await self._table.update(key, "SET #last = :last", condition, self._held(claim) | {"last": batch.first})
        except ConditionFailed:
            await self._table.write(gone=[Key(key.pk, sort_key), *(Key(each["pk"], each["sk"]) for each in pieces)])
            return False
        return True

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """See `EventLog`."""
        key = response_key(response_id)
        head = await self._table.get(key, ("owner", "expires", "last"))
        if head is None or not is_live(head, self._now_s()) or "last" not in head:
            return []
        values = {"pk": key.pk, "first": "event#", "last": _sort_key(min(after + 1, head["last"]), None)}
        where = "#pk = :pk AND #sk BETWEEN :first AND :last"
        before = await self._page(Query(where=where, values=values, limit=1, is_ascending=False, attributes=("sk",)))
        values["first"] = _sort_key(_first_of(before[0]), 0) if before else "event#"
        values["last"] = _sort_key(head["last"], None)
        rows = await self._page(Query(where=where, values=values, limit=BATCHES_MAX))
        counting = {_first_of(row): row for row in rows}  # of one number, that of the highest fence comes last
        try:
            return await some_at_a_time([self._batch(row) for row in counting.values()])
        except BlobLost:  # it is being removed
            return []

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """See `EventLog`."""
        loop = asyncio.get_running_loop()
        end, wait_s = loop.time() + timeout_s, POLL_S
        while True:
            row = await self._table.get(response_key(response_id), ("owner", "expires", "running", "last"))
            if row is None or not is_live(row, self._now_s()) or "running" not in row or row.get("last", -1) > after:
                return
            left_s = end - loop.time()
            if left_s <= 0:
                return
            await asyncio.sleep(min(wait_s, left_s))
            wait_s = min(1.5 * wait_s, POLL_MAX_S)

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """See `Leases`."""
        token = new_version()
        condition = both(_RUNNING, "attribute_not_exists(#until) OR #until <= :at OR #claimer = :claimer")
        values = {"now": self._now_s(), "at": now, "until": until, "claimer": token, "one": 1}
        changes = "SET #until = :until, #claimer = :claimer ADD #fence :one"
        try:
            row = await self._table.update(response_key(response_id), changes, condition, values, "ALL_NEW")
        except ConditionFailed:
            return None
        self._remember(response_id, row.get("expires"))
        return Claim(response_id, row["fence"])

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """See `Leases`."""
        renewed = await some_at_a_time([self._renew(claim, until) for claim in claims]) if claims else []
        return {claim.response_id for claim, is_held in zip(claims, renewed, strict=True) if not is_held}

    async def release(self, claim: Claim) -> None:
        """See `Leases`."""
        self._expiries.pop(claim.response_id, None)
        try:
            await self._table.update(response_key(claim.response_id), "REMOVE #until", _HELD, self._held(claim))
        except ConditionFailed:
            return

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """See `Leases`. An index of DynamoDB is a moment late."""
        free = "attribute_not_exists(#until) OR #until <= :at"
        query = Query(where="#waiting = :one", values={"one": "1", "at": now}, matching=free, index=WAITING)
        found: list[StoredResponse] = []
        async with aclosing(self._table.pages(query)) as pages:
            async for page in pages:
                for listed in page:
                    waiting = await self._waiting(Key(listed["pk"], listed["sk"]), now)
                    found += [waiting] if waiting else []
                    if len(found) == limit:
                        return found
        return found

    async def _waiting(self, key: Key, now: float) -> StoredResponse | None:
        """A response, if it is unclaimed indeed."""
        row = await self._table.get(key)
        if row is None or not is_live(row, self._now_s()) or "running" not in row or row.get("until", now) > now:
            return None
        try:
            return response_from(row, await self._blobs(row, (*SAVED_BLOBS, *SETTLED_BLOBS)))
        except BlobLost:
            return None

    async def _renew(self, claim: Claim, until: float) -> bool:
        values = self._held(claim) | {"until": until}
        try:
            await self._table.update(response_key(claim.response_id), "SET #until = :until", _HELD, values)
        except ConditionFailed:
            return False
        return True

    def _held(self, claim: Claim) -> Row:
        return {"now": self._now_s(), "fence": claim.fence}

    async def _expiry(self, response_id: str) -> int | None:
        """When a response expires."""
        if response_id not in self._expiries:
            row = await self._table.get(response_key(response_id), ("expires",)) or {}
            self._remember(response_id, row.get("expires"))
        return self._expiries[response_id]

    def _remember(self, response_id: str, expires: int | None) -> None:
        self._expiries[response_id] = expires
        if len(self._expiries) > REMEMBERED_MAX:
            self._expiries.popitem(last=False)

    async def _page(self, query: Query) -> list[Row]:
        """The first page of a query."""
        async with aclosing(self._table.pages(query)) as pages:
            async for page in pages:
                return page
        return []

    async def _batch(self, row: Row) -> EventBatch:
        """The batch of a row. Raises `BlobLost`."""
        blobs = await read_blobs(self._table, row["pk"], row, ["data"], "lengths", row["sk"])
        return EventBatch(_first_of(row), blobs["data"])


def _sort_key(first: int, fence: int | None) -> str:
    """The key of a batch by its number and fence. Without a fence, it is behind all of that number."""
    return f"event#{first:0{_DIGITS}d}#" + ("~" if fence is None else f"{fence:0{_DIGITS}d}")


def _first_of(row: Row) -> int:
    return int(row["sk"].split("#")[1])
