"""Chains of responses, in DynamoDB: followed by their trails, and read with their items or by pages of them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import islice
from typing import Literal, NamedTuple

from penstock.ports import ChainTooLong, ItemPage, StoredItem, StoredResponse, TooManyBytes

from ._base import Base
from .attributes import Row
from .blobs import BlobLost, read_ranges
from .items import Entry, entries_of, items_of
from .rows import INDEXES, LINK, RESPONSE, SAVED_VERSION, ByteBudget, is_live, response_key, status_of
from .table import BATCHES_MAX, READ_ROWS_MAX
from .trails import trail_of

_READS_MAX = 5
"""How often a chain is read again that changes meanwhile."""
_ROWS_AHEAD_MAX = 2_000
"""How many rows are asked for in one step."""
_MANY, _FEW = (READ_ROWS_MAX, BATCHES_MAX), (25, 2)
"""How many rows are read at once, and how often at a time: for a whole chain, and for one page of it."""
_ITEMS = ("input_index", "input", "output_index", "output")


class _Listed(NamedTuple):
    """An item of a chain: its turn, whose it is, and where its body stands."""

    row: Row
    side: Literal["input", "output"]
    entry: Entry


class Chains(Base):
    """The methods of a `ResponseStore` about chains."""

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """See `ResponseStore`. A chain of more than thirty responses takes some round trips more."""
        for _ in range(_READS_MAX):
            rows = await self._follow(owner, response_id, responses_max)
            wanted = [row for row in rows if _id_of(row) not in known]
            await self._check_bytes(wanted, bytes_max)
            try:
                items = await self._items_of(wanted)
            except BlobLost:
                continue
            return [_link(row, items.get(row["pk"], {})) for row in reversed(rows)]
        return []

    async def page_input_items(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        limit: int,
        after: str | None = None,
        order: Literal["asc", "desc"] = "asc",
    ) -> ItemPage | None:
        """See `ResponseStore`."""
        for _ in range(_READS_MAX):
            page = await self._behind(
                await self._follow(owner, response_id, responses_max, _FEW),
                after,
                limit + 1,
                is_ascending=order == "asc",
            )
            if page is None:
                return None
            try:
                return ItemPage(await self._bodies(page[:limit]), has_more=len(page) > limit)
            except BlobLost:
                continue
        return None

    async def _behind(
        self, rows: list[Row], after: str | None, count: int, *, is_ascending: bool
    ) -> list[_Listed] | None:
        """The first items behind one that the newest response was made from. None where that one is not there."""
        page: list[_Listed] = []
        is_behind = after is None and bool(rows)
        for row in reversed(rows) if is_ascending else rows:
            listed = await self._listed(row)
            if row is rows[0]:
                listed = [each for each in listed if each.side == "input"]
            for each in listed if is_ascending else reversed(listed):
                if is_behind:
                    page.append(each)
                    if len(page) == count:
                        return page
                is_behind = is_behind or each.entry.id == after
        return page if is_behind else None

    async def _follow(
        self, owner: str, response_id: str, responses_max: int, width: tuple[int, int] = _MANY
    ) -> list[Row]:
        """The rows of a chain without bodies, the newest first. Raises `ChainTooLong`."""
        rows: dict[str, Row | None] = {}
        chain: list[Row] = []
        following: str | None = response_id
        now = self._now_s()
        while following is not None:
            if following not in rows:
                await self._read_links(rows, following, responses_max - len(chain) + 1, width)
            row = rows[following]
            if row is None or not is_live(row, now, owner):
                break
            if len(chain) == responses_max:
                raise ChainTooLong
            chain.append(row)
            following = row.get("previous")
        return chain

    async def _read_links(
        self, rows: dict[str, Row | None], response_id: str, count_max: int, width: tuple[int, int]
    ) -> None:
        """Read the row of a response, and rows of those that are likely before it."""
        wanted = dict.fromkeys(islice(self._trails.likely(response_id), count_max))
        for read in [*rows][-READ_ROWS_MAX:] if len(wanted) < count_max else ():
            trail = self._trails.of(read)
            wanted |= dict.fromkeys([*trail.near, *trail.far])
        ids = [each for each in wanted if each not in rows][: min(count_max, _ROWS_AHEAD_MAX)]
        keys = {response_key(each): each for each in ids}
        at_once, batches_max = width
        found = await self._table.read(keys, (*LINK, *INDEXES), at_once=at_once, batches_max=batches_max)
        rows.update({each: found.get(key) for key, each in keys.items()})
        for key, row in found.items():
            if keys[key] not in self._trails:
                self._trails.remember(keys[key], trail_of(row))
            row.pop("near", None)
            row.pop("far", None)

    async def _check_bytes(self, rows: list[Row], bytes_max: int | None) -> None:
        """Raises `TooManyBytes` where all items together are longer, before any of them is read."""
        budget = ByteBudget(bytes_max)
        for row in rows:
            for each in await self._listed(row) if bytes_max is not None else ():
                if budget.is_exceeded_by(each.entry.end - each.entry.start):
                    raise TooManyBytes

    async def _listed(self, row: Row) -> list[_Listed]:
        """The items of a response, without bodies."""
        indexes = await self._blobs(row, ("input_index", "output_index"))
        sides: tuple[Literal["input", "output"], ...] = ("input", "output")
        return [_Listed(row, side, entry) for side in sides for entry in entries_of(indexes[f"{side}_index"])]

    async def _items_of(self, rows: list[Row]) -> dict[str, dict[str, bytes]]:
        """The blobs with the items of responses, by partition. Raises `BlobLost` for a response that is gone."""
        keys = {row["pk"]: response_key(_id_of(row)) for row in rows}
        found = await self._table.read(keys.values(), (*INDEXES, "input", "output"))
        if len(found) < len(keys):
            raise BlobLost
        return {pk: await self._blobs(found[key], _ITEMS) for pk, key in keys.items()}

    async def _bodies(self, page: list[_Listed]) -> list[StoredItem]:
        """The items of a page, with their bodies. Raises `BlobLost`."""
        bodies: dict[int, bytes] = {}
        sides = dict.fromkeys((each.row["pk"], each.side) for each in page)
        for pk, side in sides:
            those = [(number, each) for number, each in enumerate(page) if (each.row["pk"], each.side) == (pk, side)]
            ranges = [(each.entry.start, each.entry.end) for _, each in those]
            parts = await self._ranges(those[0][1].row, side, ranges)
            bodies.update({number: part for (number, _), part in zip(those, parts, strict=True)})
        return [StoredItem(each.entry.id, bodies[number]) for number, each in enumerate(page)]

    async def _ranges(self, row: Row, side: Literal["input", "output"], ranges: list[tuple[int, int]]) -> list[bytes]:
        """Parts of the bodies on one side of a response. Raises `BlobLost`."""
        lengths, version = ("saved_lengths", SAVED_VERSION) if side == "input" else ("lengths", row.get("version", ""))
        split: Mapping[str, int] = row.get(lengths) or {}
        if side in split:
            return await read_ranges(self._table, row["pk"], side, version, split[side], ranges)
        found = await self._table.get(response_key(_id_of(row)), (side, "version"))
        if found is None or (side == "output" and found.get("version") != row.get("version")):
            raise BlobLost
        return [found.get(side, b"")[start:end] for start, end in ranges]


def _id_of(row: Row) -> str:
    response_id: str = row["pk"]
    return response_id.removeprefix(RESPONSE)


def _link(row: Row, blobs: Mapping[str, bytes]) -> StoredResponse:
    """A response of a chain; with its items if their blobs are given."""
    return StoredResponse(
        id=_id_of(row),
        owner=row["owner"],
        status=status_of(row),
        created_at=0,
        previous_response_id=row.get("previous"),
        conversation_id=row.get("conversation"),
        body=b"",
        input=items_of(blobs["input_index"], blobs["input"]) if blobs else [],
        output=items_of(blobs["output_index"], blobs["output"]) if blobs else [],
    )
