"""Items by their ids alone, in DynamoDB.

A row lists each response and conversation that contains an item. It is a hint: what it leads to decides.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from penstock.ports import TooManyBytes

from .attributes import Row
from .blobs import BlobLost
from .chains import Chains, _Listed
from .conversations import Conversations
from .items import home_key
from .rows import INDEXES, LINK, RESPONSE, ByteBudget, is_live
from .table import Key, Query, some_at_a_time
from .turns import is_visible, item_key

_HOMES_AT_ONCE = 8
"""How many homes of an item are looked at in one step. The most items have one or two."""


class _Found(NamedTuple):
    """An item: in a response as listed there, or as a row of a conversation."""

    size: int
    listed: _Listed | None
    row: Row | None


class Lookups(Chains, Conversations):
    """The rest of a `ResponseStore`."""

    async def find_items(
        self, owner: str, item_ids: Collection[str], *, bytes_max: int | None = None
    ) -> dict[str, bytes]:
        """See `ResponseStore`."""
        heads: dict[str, Row | None] = {}
        ids = [*dict.fromkeys(item_ids)]
        searches = await some_at_a_time([self._find(owner, item_id, heads) for item_id in ids]) if ids else []
        found = {item_id: each for item_id, each in zip(ids, searches, strict=True) if each is not None}
        budget = ByteBudget(bytes_max)
        if any(budget.is_exceeded_by(each.size) for each in found.values()):
            raise TooManyBytes
        listed = {item_id: each.listed for item_id, each in found.items() if each.listed is not None}
        try:
            items = await self._bodies([*listed.values()])
            bodies = dict(zip(listed, (item.body for item in items), strict=True))
            bodies |= {item_id: await self._body(each.row) for item_id, each in found.items() if each.row is not None}
        except BlobLost:  # what contains it was changed or removed meanwhile: what others contain is found now
            return await self.find_items(owner, item_ids, bytes_max=bytes_max)
        return bodies

    async def _find(self, owner: str, item_id: str, heads: dict[str, Row | None]) -> _Found | None:
        """An item of the owner, in any response or conversation."""
        pk = home_key(owner, item_id, "").pk
        query = Query(where="#pk = :pk", values={"pk": pk}, limit=_HOMES_AT_ONCE)
        async for homes in self._table.pages(query):
            unread = [home["sk"] for home in homes if home["sk"] not in heads]
            rows = await self._table.read(
                [Key(each, "head") for each in unread], (*LINK, *INDEXES, "next", "pending", "holes")
            )
            heads.update({each: rows.get(Key(each, "head")) for each in unread})
            for home in homes:
                head = heads[home["sk"]]
                if head is None or not is_live(head, self._now_s(), owner):
                    continue
                if found := await self._in_home(head, home, item_id):
                    return found
        return None

    async def _in_home(self, head: Row, home: Row, item_id: str) -> _Found | None:
        if head["pk"].startswith(RESPONSE):
            listed = next((each for each in await self._listed(head) if each.entry.id == item_id), None)
            return _Found(listed.entry.end - listed.entry.start, listed, None) if listed else None
        if not is_visible(head, home["position"]):
            return None
        row = await self._table.get(item_key(head["pk"], home["position"]))
        return _Found(row["size"], None, row) if row is not None and row["id"] == item_id else None
