"""What the store suite is about: rows made from few words, and the log of events as a reader sees it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import count
from typing import Any

from penstock.ports import Claim, EventBatch, Store, StoredConversation, StoredItem, StoredResponse

ME = "me"
OTHER = "somebody else"
NOW = float(int(time.time()))
"""A time at hand: it is the caller's in leases, and near enough to the engine's own where something expires."""
HOUR_S = 3600
EXPIRED = int(NOW) - HOUR_S
LATER = int(NOW) + HOUR_S

_numbers = count(1)


def fresh(prefix: str) -> str:
    """An id that nothing has."""
    return f"{prefix}_{next(_numbers)}"


def item(item_id: str | None = None, body: bytes | None = None) -> StoredItem:
    item_id = item_id or fresh("msg")
    return StoredItem(item_id, f'{{"id":"{item_id}"}}'.encode() if body is None else body)


def items(number: int) -> list[StoredItem]:
    return [item() for _ in range(number)]


def response(**fields: Any) -> StoredResponse:
    """A response that has completed, with one item of input and one of output."""
    begun: dict[str, Any] = {
        "id": fresh("resp"),
        "owner": ME,
        "status": "completed",
        "created_at": int(NOW),
        "body": b'{"a":1}',
    }
    return StoredResponse(**begun | {"input": items(1), "output": items(1)} | fields)


def running(**fields: Any) -> StoredResponse:
    """A background response that has not ended."""
    begun: dict[str, Any] = {"status": "in_progress", "background": True, "output": [], "request": b'{"input":"Hi"}'}
    return response(**begun | fields)


def ended(known: StoredResponse, status: Any = "completed", **fields: Any) -> StoredResponse:
    """The same one at its end, as the engine settles it."""
    end = {"id": known.id, "owner": known.owner, "created_at": known.created_at, "status": status}
    unchanged = {"conversation_id": known.conversation_id, "background": known.background, "input": known.input}
    return response(**end | unchanged | {"body": b'{"a":2}', "request": b""} | fields)


def conversation(**fields: Any) -> StoredConversation:
    begun: dict[str, Any] = {"id": fresh("conv"), "owner": ME, "created_at": int(NOW)}
    return StoredConversation(**begun | fields)


def claim_of(claim: Claim | None) -> Claim:
    """A claim that must have been given."""
    assert claim is not None
    return claim


async def claimed(store: Store, known: StoredResponse, now: float = NOW, for_s: float = 60.0) -> Claim:
    return claim_of(await store.claim(known.id, now=now, until=now + for_s))


def ids(some: Iterable[StoredItem | StoredResponse]) -> list[str]:
    return [each.id for each in some]


def batch(first: int, number: int = 1) -> EventBatch:
    """Events as they are sent; each has its own number."""
    return EventBatch(first, b"".join(b"data: %d\n\n" % n for n in range(first, first + number)))


async def log_after(store: Store, response_id: str, after: int) -> list[int]:
    """The numbers of all events after one, as a reader gathers them: it skips what it knows, and asks until the end."""
    numbers: list[int] = []
    while True:
        batches = await store.events(response_id, after=after)
        fresh = [n for n in numbers_of(batches) if n > after]
        if not fresh:
            return numbers
        numbers += fresh
        after = fresh[-1]


def numbers_of(batches: Iterable[EventBatch]) -> list[int]:
    return [int(line[6:]) for batch in batches for line in batch.data.splitlines() if line]
