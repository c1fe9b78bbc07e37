"""Responses and the items in them, in Redis."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Literal

from penstock.ports import ChainTooLong, ItemPage, StoredItem, StoredResponse

from .pipeline import Link
from .rows import (
    RESPONSE_FIELDS,
    Room,
    items_from,
    new_token,
    pack,
    response_from,
    response_words,
    status_from,
    text,
    unpack,
)
from .scripts import PREFIX

REPLY_BYTES_MAX = 4 * 2**20
"""A reply ends with the row that reaches this: while one is made, the server does nothing else."""
ITEM_IDS_MAX = 500
"""How many items are looked for at a time."""


class RedisResponses:
    """A `ResponseStore`."""

    _link: Link

    async def save(self, response: StoredResponse) -> bool:
        """See `ResponseStore`. Raises `ValueError` where the id is taken."""
        done = await self._link.run("save", *response_words(response), new_token())
        if done == 2:
            raise ValueError("a response has that id already")
        return bool(done)

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """See `ResponseStore`."""
        done = await self._link.run(
            "settle",
            response.id,
            response.owner,
            response.status,
            response.body,
            pack(response.output),
            "" if fence is None else fence,
            new_token(),
        )
        return bool(done)

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """See `ResponseStore`."""
        values = await self._link.command("HMGET", f"{PREFIX}r:{response_id}", *RESPONSE_FIELDS)
        if values[0] != owner.encode():
            return None
        return response_from(response_id, values)

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """See `ResponseStore`."""
        return bool(await self._link.run("delete_response", response_id, owner))

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """See `ResponseStore`. A chain of many megabytes takes a round trip for every four of them."""
        links: list[StoredResponse] = []
        room = Room(bytes_max)
        following: str | None = response_id
        while following is not None:
            left = responses_max - len(links)
            more, *rest = await self._link.run("chain", owner, following, left, REPLY_BYTES_MAX)
            if more == 2:
                raise ChainTooLong
            following = rest[0].decode() if more else None
            fresh = [_link_from(owner, rest[i : i + 6]) for i in range(1, len(rest), 6)]
            room.take(item.body for link in fresh for item in (*link.input, *link.output))
            links += fresh
        return links[::-1]

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
        """See `ResponseStore`. A page of many megabytes takes a round trip for every four of them."""
        items: list[StoredItem] = []
        behind: tuple[str, str | bytes] = ("place", "") if after is None else ("item", after)
        while True:
            asked = (response_id, owner, responses_max, *behind, limit - len(items), REPLY_BYTES_MAX, order)
            page = await self._link.run("page_input_items", *asked)
            if page is None:
                return None
            more, *rest = page
            if more == 2:
                raise ChainTooLong
            items += items_from(rest[1:])
            if not more or len(items) == limit:
                return ItemPage(items, has_more=bool(more))
            behind = ("place", rest[0])

    async def find_items(
        self, owner: str, item_ids: Collection[str], *, bytes_max: int | None = None
    ) -> dict[str, bytes]:
        """See `ResponseStore`."""
        found: dict[str, bytes] = {}
        room = Room(bytes_max)
        wanted = list(item_ids)
        while wanted:
            seen, *rest = await self._link.run("find_items", owner, REPLY_BYTES_MAX, *wanted[:ITEM_IDS_MAX])
            room.take(rest[1::2])
            found.update(zip((item_id.decode() for item_id in rest[::2]), rest[1::2], strict=True))
            wanted = wanted[seen:]
        return found


def _link_from(owner: str, values: Sequence[bytes]) -> StoredResponse:
    response_id, status, previous, conversation, given, output = values
    return StoredResponse(
        id=response_id.decode(),
        owner=owner,
        status=status_from(status),
        created_at=0,
        previous_response_id=text(previous),
        conversation_id=text(conversation),
        body=b"",
        input=unpack(given),
        output=unpack(output),
    )
