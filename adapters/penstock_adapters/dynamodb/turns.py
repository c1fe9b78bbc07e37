"""Items that are appended to a conversation: all of them or none, in order, and together with a response's end.

DynamoDB changes one row at a time here. So a process first reserves positions in the conversation's row (`pending`),
then writes the items there, where no reader looks yet, and then removes the reservation, which shows them. Where a
response completes with them, its own row decides: it has the token of the reservation, or it has not. A process that
finds the reservation of another one waits; after a while it completes what the response's row decides, or gives it up.
Positions that were given up are a hole, which no reader enters; the row of the response then refuses the token.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from penstock.ports import StoredItem
from penstock_adapters.aws.api import unavailable

from ._base import Base
from .attributes import Row, Value
from .blobs import BATCH_PIECES_MAX, Split, new_version
from .expressions import both
from .items import home_key
from .rows import LIVE, PURGE_S, conversation_key, due, is_live, response_key
from .table import ConditionFailed, Key, Query

RESERVED_S = 30.0
"""After how many seconds the reservation of a process that has stopped is given up."""
WAIT_S = 10.0
"""How long an append waits for others."""
_BACKOFF_S = 0.01
_BACKOFF_MAX_S = 0.2
_POSITION_DIGITS = 12


class Turn(msgspec.Struct, frozen=True):
    """A reservation of positions: `first` and those behind it, before `end`."""

    conversation: Key
    token: str
    first: int
    end: int
    response_id: str | None
    expires: int | None
    items: list[StoredItem]
    owner: str


class Turns(Base):
    """The steps of an append."""

    async def _begin_turn(
        self, owner: str, conversation_id: str, response_id: str | None, items: Sequence[StoredItem]
    ) -> Turn | None:
        """Reserve positions and write the items there. None where the conversation is gone, or has another writer.

        Raises `ApiError` where others append for too long.
        """
        loop = asyncio.get_running_loop()
        end, backoff_s = loop.time() + WAIT_S, _BACKOFF_S
        key = conversation_key(conversation_id)
        while loop.time() < end:
            row = await self._table.get(key)
            if row is None or not is_live(row, self._now_s(), owner):
                return None
            if response_id is not None and row.get("writer") != response_id:
                return None
            if "pending" in row:
                await self._resolve(row)
            elif turn := await self._reserve(row, response_id, await self._missing(row, items)):
                await self._write_items(turn)
                return turn
            await asyncio.sleep(random.uniform(0, backoff_s))
            backoff_s = min(2 * backoff_s, _BACKOFF_MAX_S)
        raise unavailable()

    async def _end_turn(self, turn: Turn | None) -> None:
        """Show the items."""
        if turn is not None:
            await self._unreserve(turn.conversation, turn.token)

    async def _abandon(self, turn: Turn | None) -> None:
        """Give up the positions: the response does not complete with them."""
        if turn is not None:
            await self._make_hole(turn.conversation, turn.token, turn.first, turn.end)

    async def _reserve(self, row: Row, response_id: str | None, fresh: list[StoredItem]) -> Turn | None:
        """Reserve positions at the end. None where another process was faster."""
        first = row.get("next", 0)
        token, end = new_version(), first + len(fresh)
        pending = {"token": token, "first": first, "at": self._now_s(), "response": response_id}
        condition = both(LIVE, "attribute_not_exists(#pending) AND #next = :first")
        values: Row = {"first": first, "end": end, "pending": pending, "now": self._now_s()}
        if response_id is not None:
            condition, values = both(condition, "#writer = :writer"), values | {"writer": response_id}
        key = Key(row["pk"], row["sk"])
        try:
            await self._table.update(key, "SET #next = :end, #pending = :pending", condition, values)
        except ConditionFailed:
            return None
        return Turn(key, token, first, end, response_id, row.get("expires"), fresh, row["owner"])

    async def _write_items(self, turn: Turn) -> None:
        """Write the rows of the items, and those by which they are found."""
        rows: list[Row] = []
        pieces: list[Row] = []
        for position, item in enumerate(turn.items, turn.first):
            key = item_key(turn.conversation.pk, position)
            split = Split(key.pk, {"body": item.body}, str(position))
            home = home_key(turn.owner, item.id, turn.conversation.pk)
            pieces += [piece | {"expires": turn.expires} for piece in split.pieces]
            rows.append({"pk": key.pk, "sk": key.sk, "id": item.id, "expires": turn.expires, "size": len(item.body)})
            rows[-1] |= split.attributes("lengths")
            rows.append({"pk": home.pk, "sk": home.sk, "position": position, "expires": turn.expires})
        await self._table.write(pieces, at_once=BATCH_PIECES_MAX)
        await self._table.write(rows)

    async def _missing(self, row: Row, items: Sequence[StoredItem]) -> list[StoredItem]:
        """The items that the conversation does not have yet, each once."""
        fresh = {item.id: item for item in reversed(items)}
        homes = {item_id: home_key(row["owner"], item_id, row["pk"]) for item_id in fresh}
        found = await self._table.read(homes.values())
        positions = {item_id: found[home]["position"] for item_id, home in homes.items() if home in found}
        there = await self._table.read([item_key(row["pk"], at) for at in positions.values()], ("id",))
        known = {
            item_id
            for item_id, at in positions.items()
            if is_visible(row, at) and there.get(item_key(row["pk"], at), {}).get("id") == item_id
        }
        return [item for item in first_of_each(items) if item.id not in known]

    async def _resolve(self, row: Row) -> None:
        """End the reservation of another process, if that is decided or too old. The row must be read again."""
        pending = row["pending"]
        key = Key(row["pk"], row["sk"])
        if await self._is_decided(pending):
            await self._unreserve(key, pending["token"])
        elif self._now_s() - pending["at"] > RESERVED_S and await self._refuse(pending):
            await self._make_hole(key, pending["token"], pending["first"], row["next"])

    async def _is_decided(self, pending: Mapping[str, Value]) -> bool:
        """Whether the response of a reservation has completed with it."""
        if "response" not in pending:
            return False
        row = await self._table.get(response_key(pending["response"]), ("turn",))
        return row is not None and row.get("turn") == pending["token"]

    async def _refuse(self, pending: Mapping[str, Value]) -> bool:
        """Make sure that the response of a reservation does not complete with it. False where it has."""
        if "response" not in pending:
            return True
        key, token = response_key(pending["response"]), pending["token"]
        later = due(key.pk, self._now_s() + PURGE_S)
        changes = "SET #refused = :token, #shard = if_not_exists(#shard, :shard), #due = if_not_exists(#due, :due)"
        try:
            await self._table.update(
                key, changes, "attribute_not_exists(#turn) OR #turn <> :token", {"token": token, **later}
            )
        except ConditionFailed:
            return False
        return True

    async def _unreserve(self, key: Key, token: str) -> None:
        await self._change_pending(key, "REMOVE #pending", {"token": token})

    async def _make_hole(self, key: Key, token: str, first: int, end: int) -> None:
        """End a reservation without its items, and remove what is there."""
        changes = "SET #holes = list_append(if_not_exists(#holes, :none), :hole) REMOVE #pending"
        hole = [{"first": first, "end": end}] if end > first else []
        await self._change_pending(key, changes, {"token": token, "none": [], "hole": hole})
        where = "#pk = :pk AND #sk BETWEEN :first AND :last"
        values = {"pk": key.pk, "first": item_key(key.pk, first).sk, "last": item_key(key.pk, max(end - 1, first)).sk}
        async for page in self._table.pages(Query(where=where, values=values, attributes=("pk", "sk"))):
            if end > first:
                await self._table.write(gone=[Key(each["pk"], each["sk"]) for each in page])

    async def _change_pending(self, key: Key, changes: str, values: Row) -> None:
        """Change the conversation's row, if the reservation is still that of the token."""
        try:
            await self._table.update(key, changes, "#pending.#token = :token", values)
        except ConditionFailed:
            return


def item_key(pk: str, position: int) -> Key:
    """The key of an item of a conversation."""
    return Key(pk, f"item#{position:0{_POSITION_DIGITS}d}")


def is_visible(row: Row, position: int) -> bool:
    """Whether the item at a position is shown by the conversation's row."""
    end = row["pending"]["first"] if "pending" in row else row.get("next", 0)
    return position < end and not any(hole["first"] <= position < hole["end"] for hole in row.get("holes", ()))


def first_of_each(items: Iterable[StoredItem]) -> Iterable[StoredItem]:
    """The items, without those whose id came before."""
    seen: set[str] = set()
    for item in items:
        if item.id not in seen:
            seen.add(item.id)
            yield item
