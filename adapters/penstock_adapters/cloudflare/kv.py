"""The store in Workers KV: responses that have ended, each as one value, and nothing else.

KV cannot compare and set, and its instances agree within about a minute. So there are no conversations, no background
responses, no marks, and no index of items: a reference to an item is not found. A chain of up to 100 responses is read
in two round trips, and each further 99 take one more.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from itertools import chain as chained
from itertools import islice, pairwise
from typing import Literal, Protocol

import msgspec

from penstock.errors import ApiError, invalid
from penstock.ids import clock_s, now_s
from penstock.ports import (
    ENDED,
    ChainTooLong,
    Claim,
    EventBatch,
    ItemPage,
    StoredConversation,
    StoredItem,
    StoredResponse,
    TooManyBytes,
)

KEYS_MAX = 100
"""How many values one call of KV reads."""
_TTL_MIN_S = 60
"""The shortest time to live that KV takes."""
_PREFIX = "response:"


class Namespace(Protocol):
    """A namespace of KV."""

    async def get(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """The values of at most `KEYS_MAX` keys. Raises `ApiError` where KV fails."""

    async def put(self, key: str, value: str, expiration: int | None) -> None:
        """Set a value until a time in Unix seconds, which is at least 60 s away. Raises `ApiError`."""

    async def delete(self, key: str) -> None:
        """Remove a value. Raises `ApiError`."""

    async def count(self, prefix: str) -> int:
        """The number of keys with this prefix. Raises `ApiError`."""


class _Row(msgspec.Struct):
    """A value of KV."""

    response: StoredResponse
    before: list[str]
    """The ids of the responses before it, the nearest first, of which there are fewer than `KEYS_MAX`."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Row).decode


class KvStore:
    """A `Store` in a namespace of KV."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    # Responses.

    async def save(self, response: StoredResponse) -> bool:
        """Add a response that has ended."""
        if response.conversation_id is not None:
            raise _without("conversation")
        if response.status not in ENDED:
            raise _without("background")
        before: list[str] = []
        if response.previous_response_id is not None:
            previous = await self._row(response.owner, response.previous_response_id)
            before = [response.previous_response_id, *(previous.before if previous else ())][: KEYS_MAX - 1]
        expires_at = response.expires_at
        until = None if expires_at is None else max(expires_at, now_s() + _TTL_MIN_S + 1)
        await self._namespace.put(_key(response.owner, response.id), _encode(_Row(response, before)).decode(), until)
        return True

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """Every response here has ended."""
        return False

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """One response."""
        row = await self._row(owner, response_id)
        return row.response if row else None

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """Remove a response."""
        if await self._row(owner, response_id) is None:
            return False
        await self._namespace.delete(_key(owner, response_id))
        return True

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """The response and all before it, the oldest first. Values are read as a whole, also those in `known`."""
        links: list[StoredResponse] = []
        size = 0
        following = [response_id]
        while following:
            rows = await self._rows(owner, following)
            for row in rows:
                link = row.response
                if len(links) == responses_max:
                    raise ChainTooLong
                if link.id in known:
                    link.input, link.output = [], []
                size += sum(len(item.body) for item in [*link.input, *link.output])
                if bytes_max is not None and size > bytes_max:
                    raise TooManyBytes
                links.append(link)
            following = rows[-1].before if len(rows) == len(following) else []
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
        """Some of the items that the response was made from."""
        links = await self.chain(owner, response_id, responses_max=responses_max)
        if not links:
            return None
        lists = [links[0].input]
        for before, link in pairwise(links):
            lists += [before.output, link.input]
        items = chained.from_iterable(lists if order == "asc" else map(reversed, reversed(lists)))
        if after is not None and not any(item.id == after for item in items):  # which takes the items up to it
            return None
        return ItemPage(list(islice(items, limit)), has_more=next(items, None) is not None)

    async def find_items(
        self, owner: str, item_ids: Collection[str], *, bytes_max: int | None = None
    ) -> dict[str, bytes]:
        """There is no index of items."""
        return {}

    async def _row(self, owner: str, response_id: str) -> _Row | None:
        rows = await self._rows(owner, [response_id])
        return rows[0] if rows else None

    async def _rows(self, owner: str, ids: Sequence[str]) -> list[_Row]:
        """The rows in order, up to the first that does not exist or has expired."""
        keys = [_key(owner, each) for each in ids]
        values = await self._namespace.get(keys)
        rows: list[_Row] = []
        for key in keys:
            value = values[key]
            row = None if value is None else _decode(value)
            if row is None or (row.response.expires_at is not None and row.response.expires_at <= now_s()):
                break
            rows.append(row)
        return rows

    # Events and leases: a response that has ended has none.

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """No claim has a lease."""
        return False

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """There are no events."""
        return []

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """The response has ended."""

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """The response has ended."""
        return None

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """Every lease is lost."""
        return {claim.response_id for claim in claims}

    async def release(self, claim: Claim) -> None:
        """There is no lease."""

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """Every response has ended."""
        return []

    # Conversations: there are none.

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """Raises `ApiError` 400."""
        raise _without("conversation")

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """It does not exist."""
        return None

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """It does not exist."""
        return False

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """It does not exist."""
        return False

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """It does not exist."""
        return False

    async def page_items(
        self,
        owner: str,
        conversation_id: str,
        *,
        after: str | None = None,
        limit: int | None = None,
        order: Literal["asc", "desc"] = "asc",
        bytes_max: int | None = None,
    ) -> ItemPage | None:
        """It does not exist."""
        return None

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """It does not exist."""
        return None

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """It does not exist."""
        return False

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """It does not exist."""
        return False

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """It does not exist."""

    # The whole store.

    async def migrate(self) -> None:
        """There is no schema."""

    async def check(self) -> None:
        """Read a value. Nothing is written: KV takes one write a second for a key."""
        await self._namespace.get([f"{_PREFIX}check"])

    async def time_s(self) -> float:
        """Cloudflare's clock, which all instances share."""
        return clock_s()

    async def sweep(self, *, now: float, limit: int) -> int:
        """KV removes what has expired."""
        return 0

    async def stats(self) -> dict[str, int]:
        """The number of responses."""
        return {"responses": await self._namespace.count(_PREFIX), "conversations": 0}

    async def aclose(self) -> None:
        """There is nothing to close."""


def _key(owner: str, response_id: str) -> str:
    return f"{_PREFIX}{owner}:{response_id}"


def _without(param: str) -> ApiError:
    return invalid(
        f"The store of this server, KV, has no '{param}': with d1:// it would.", param, "unsupported_parameter"
    )
