"""Responses and their items, in Redis."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Literal

from penstock.ports import ChainTooLong, ItemPage, StoredItem, StoredResponse

from .pipeline import Pipeline
from .rows import (
    RESPONSE_FIELDS,
    ByteBudget,
    items_from,
    new_token,
    pack,
    response_arguments,
    response_from,
    status_from,
    text,
    unpack,
)
from .scripts import PREFIX

REPLY_BYTES_MAX = 4 * 2**20
"""A reply ends with the row that reaches this number of bytes: the server does nothing else meanwhile."""
ITEM_IDS_MAX = 500
"""How many items are looked up at a time."""


class RedisResponses:
    """A `ResponseStore`."""

    _pipeline: Pipeline

    async def save(self, response: StoredResponse) -> bool:
        """See `ResponseStore`. Raises `ValueError` where the id is taken."""
        done = await self._pipeline.run("save", *response_arguments(response), new_token())
        if done == 2:
            raise ValueError("a response has that id already")
        return bool(done)

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """See `ResponseStore`."""
        done = await self._pipeline.run(
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
        values = await self._pipeline.command("HMGET", f"{PREFIX}r:{response_id}", *RESPONSE_FIELDS)
        if values[0] != owner.encode():
            return None
        return response_from(response_id, values)

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """See `ResponseStore`."""
        return bool(await self._pipeline.run("delete_response", response_id, owner))

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
        budget = ByteBudget(bytes_max)
        following: str | None = response_id
        while following is not None:
            left = responses_max - len(links)
            more, *rest = await self._pipeline.run("chain", owner, following, left, REPLY_BYTES_MAX)
            if more == 2:
                raise ChainTooLong
            following = rest[0].decode() if more else None
            fresh = [_chain_response(owner, rest[i : i + 6]) for i in range(1, len(rest), 6)]
            budget.take(item.body for turn in fresh for item in (*turn.input, *turn.output))
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
            page = await self._pipeline.run("page_input_items", *asked)
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
        budget = ByteBudget(bytes_max)
        wanted = list(item_ids)
        while wanted:
            seen, *rest = await self._pipeline.run("find_items", owner, REPLY_BYTES_MAX, *wanted[:ITEM_IDS_MAX])
            budget.take(rest[1::2])
            found.update(zip((item_id.decode() for item_id in rest[::2]), rest[1::2], strict=True))
            wanted = wanted[seen:]
        return found


def _chain_response(owner: str, values: Sequence[bytes]) -> StoredResponse:
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
