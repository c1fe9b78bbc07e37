"""Responses, in DynamoDB: they are saved, settled, read and removed.

A response's row is the truth: one conditional write saves it, and one settles it. Pieces of large blobs are written
before it, and the rows that list where an item is, after it. A reader checks both against the row.
"""

from __future__ import annotations

from collections.abc import Iterable

from penstock.ports import ENDED, StoredItem, StoredResponse

from .attributes import Row, Value
from .blobs import BATCH_PIECES_MAX, BlobLost, new_version, piece_keys
from .expressions import both, setting
from .items import entries_of, home_key, items_of
from .rows import (
    HEAD,
    LIVE,
    PURGE_S,
    SAVED_BLOBS,
    SAVED_VERSION,
    SETTLED_BLOBS,
    due,
    is_live,
    response_from,
    response_key,
    response_row,
    saved_blobs,
    settled_blobs,
)
from .table import ConditionFailed, Key, Query
from .turns import Turn, Turns

_READS_MAX = 5
"""How often a row is read again that changes while its pieces are read."""
_BEFORE_SETTLING = ("owner", "expires", "running", "conversation", "fence", "until", "input_index", "saved_lengths")
_HOLDS = "#fence = :fence AND attribute_exists(#until)"
"""The condition that a lease is that of a claim."""


class Responses(Turns):
    """Single responses."""

    async def save(self, response: StoredResponse) -> bool:
        """See `ResponseStore`. Raises `ValueError` where the id is taken."""
        turn = None
        if response.status == "completed" and response.conversation_id is not None:
            items = [*response.input, *response.output]
            turn = await self._begin_turn(response.owner, response.conversation_id, response.id, items)
            if turn is None:
                return False
        if not await self._put(response, turn):
            await self._abandon(turn)
            return False
        await self._add_homes(response, [*response.input, *response.output])
        await self._end_turn(turn)
        return True

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """See `ResponseStore`."""
        row = await self._table.get(response_key(response.id), ("pk", *_BEFORE_SETTLING))
        if row is None or not is_live(row, self._now_s(), response.owner) or "running" not in row:
            return False
        if fence is not None and (row.get("fence") != fence or "until" not in row):
            return False
        turn = None
        if response.status == "completed" and "conversation" in row:
            turn = await self._turn_of(row, response)
            if turn is None:
                return False
        old = await self._settle_row(row, response, fence, turn)
        if old is None:
            await self._abandon(turn)
            return False
        await self._move_homes(row, old, response)
        await self._end_turn(turn)
        return True

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """See `ResponseStore`."""
        for _ in range(_READS_MAX):
            row = await self._table.get(response_key(response_id))
            if row is None or not is_live(row, self._now_s(), owner):
                return None
            try:
                return response_from(row, await self._blobs(row, (*SAVED_BLOBS, *SETTLED_BLOBS)))
            except BlobLost:
                continue
        return None

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """See `ResponseStore`. The first step hides it. A sweep completes what was interrupted."""
        row = await self._hide(response_key(response_id), self._now_s(), owner)
        if row is None:
            return False
        await self._purge_response(row)
        return True

    async def _put(self, response: StoredResponse, turn: Turn | None) -> bool:
        """Write the row of a new response. False where its turn was given up. Raises `ValueError` for a known id."""
        trail = self._trails.after(response.previous_response_id)
        self._trails.remember(response.id, trail)
        version = new_version()
        saved, settled = saved_blobs(response), settled_blobs(response, version)
        row = response_row(response, trail) | {"version": version, "turn": turn.token if turn else None}
        row |= saved.attributes("saved_lengths") | settled.attributes("lengths")
        await self._write_pieces([*saved.pieces, *settled.pieces], response.expires_at)
        try:
            await self._table.put(row, "attribute_not_exists(#pk)")
        except ConditionFailed:
            known = await self._table.get(response_key(response.id), ("pk", "version", "owner"))
            if known is None or known.get("version") != version:  # it is not the first attempt of this call
                if turn is not None and known is not None and "owner" not in known:
                    return False
                raise ValueError("a response has that id already") from None
        return True

    async def _turn_of(self, row: Row, response: StoredResponse) -> Turn | None:
        """The turn that a response completes. None where its conversation is gone, or has another writer."""
        blobs = await self._blobs(
            row if "input" in (row.get("saved_lengths") or {}) else row | await self._input(row), SAVED_BLOBS[:2]
        )
        given = items_of(blobs["input_index"], blobs["input"])
        return await self._begin_turn(response.owner, row["conversation"], response.id, [*given, *response.output])

    async def _input(self, row: Row) -> Row:
        return await self._table.get(Key(row["pk"], HEAD), ("input",)) or {}

    async def _settle_row(self, row: Row, response: StoredResponse, fence: int | None, turn: Turn | None) -> Row | None:
        """Change the row. Returns the former values of what was changed, or None where nothing was."""
        version = new_version()
        split = settled_blobs(response, version)
        await self._write_pieces(split.pieces, row.get("expires"))
        lengths = {name: length for name, length in (row.get("saved_lengths") or {}).items() if name != "request"}
        changes: Row = {"status": response.status, "version": version, "request": None, **split.attributes("lengths")}
        changes |= {"saved_lengths": lengths or None}
        if response.status in ENDED:
            changes |= {"running": None, "waiting": None, "until": None}
        if turn is not None:
            changes["turn"] = turn.token
        expression, values = setting(changes)
        condition = both(LIVE, "#owner = :owner AND attribute_exists(#running)", _HOLDS if fence is not None else "")
        values |= {"owner": response.owner, "now": self._now_s()}
        if fence is not None:
            values["fence"] = fence
        if turn is not None:
            condition = both(condition, "attribute_not_exists(#refused) OR #refused <> :turn")
        key = response_key(response.id)
        try:
            return await self._table.update(key, expression, condition, values, "ALL_OLD")
        except ConditionFailed:
            known = await self._table.get(key, ("version",))
            if known is not None and known.get("version") == version:
                return {}  # the first attempt of this call has changed it
            await self._table.write(gone=[Key(piece["pk"], piece["sk"]) for piece in split.pieces])
            return None

    async def _write_pieces(self, pieces: Iterable[Row], expires: Value) -> None:
        rows = [piece | {"expires": expires} for piece in pieces]
        if rows:
            await self._table.write(rows, at_once=BATCH_PIECES_MAX)

    async def _add_homes(self, response: StoredResponse, items: Iterable[StoredItem]) -> None:
        """Write the rows by which items are found."""
        keys = {home_key(response.owner, item.id, response_key(response.id).pk) for item in items}
        await self._table.write([{"pk": key.pk, "sk": key.sk, "expires": response.expires_at} for key in keys])

    async def _move_homes(self, row: Row, old: Row, response: StoredResponse) -> None:
        """Make the new output be found, and the former one not; and remove the pieces that no row refers to."""
        pk, version = row["pk"], old.get("version", "")
        former: Row = {"pk": pk, "version": version, **old}
        lost = [
            *self._pieces_of(pk, old.get("lengths"), version),
            *self._pieces_of(pk, row.get("saved_lengths"), SAVED_VERSION, {"request"}),
        ]
        ids: set[str] = set()
        if old.get("output_index") or "output_index" in (old.get("lengths") or {}):
            ids = {entry.id for entry in entries_of((await self._blobs(former, ["output_index"]))["output_index"])}
            ids -= {entry.id for entry in entries_of((await self._blobs(row, ["input_index"]))["input_index"])}
        new = {item.id for item in response.output}
        added = {home_key(response.owner, item_id, pk) for item_id in new}
        gone = {home_key(response.owner, item_id, pk) for item_id in ids - new}
        rows = [{"pk": key.pk, "sk": key.sk, "expires": row.get("expires")} for key in added]
        await self._table.write(rows, [*gone, *lost])

    def _pieces_of(self, pk: str, lengths: Value, version: str, names: set[str] | None = None) -> list[Key]:
        split: dict[str, int] = lengths or {}
        wanted = split.keys() if names is None else split.keys() & names
        return [key for name in wanted for key in piece_keys(pk, name, version, split[name])]

    async def _hide(
        self, key: Key, now: float, owner: str | None = None, expired_at: float | None = None
    ) -> Row | None:
        """Make a row missing for all clients. Returns it, or None where another process did so, or it is not there."""
        row = await self._table.get(key)
        if row is None or "owner" not in row:
            return None
        values: Row = {"owner": row["owner"] if owner is None else owner, "now": expired_at or self._now_s()}
        condition = both(LIVE, "#owner = :owner") if expired_at is None else "#owner = :owner AND #expires <= :now"
        fields = {"gone": row["owner"], **due(key.pk, now + PURGE_S)}
        fields |= dict.fromkeys(("owner", "running", "waiting", "until", "writer"))
        expression, changed = setting(fields)
        try:
            await self._table.update(key, expression, condition, changed | values)
        except ConditionFailed:
            return None
        return row | {"gone": row["owner"]}

    async def _purge_response(self, row: Row) -> None:
        """Remove all rows of a hidden response, its own the last."""
        try:
            blobs = await self._blobs(row, ("input_index", "output_index"))
        except BlobLost:  # a former attempt has removed them, and what they list
            blobs = {}
        ids = {entry.id for index in blobs.values() for entry in entries_of(index)}
        await self._purge(row, [home_key(row["gone"], item_id, row["pk"]) for item_id in ids])

    async def _purge(self, row: Row, homes: Iterable[Key]) -> None:
        await self._table.write(gone=homes)
        query = Query(where="#pk = :pk", values={"pk": row["pk"]}, attributes=("pk", "sk"))
        async for page in self._table.pages(query):
            keys = [Key(each["pk"], each["sk"]) for each in page]
            await self._table.write(gone=[key for key in keys if key.sk != HEAD])
        await self._table.write(gone=[Key(row["pk"], HEAD)])
