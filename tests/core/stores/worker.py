"""A process of its own with the SQLite store: `python worker.py PATH NAME TURNS`.

It keeps taking turns and prints a line for each thing of which it knows that it is done. What a row holds follows from
its id, so that a later reader can check whether it is whole. TURNS 0 goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from itertools import count

from penstock.ports import Claim, EventBatch, Store, StoredConversation, StoredItem, StoredResponse
from penstock.stores.sqlite import SqliteStore

ME = "me"
AT_ONCE = 8
"""How many write side by side."""
EVENTS = 5


def body(row_id: str) -> bytes:
    """Longer than a page of the file, so that it can be torn."""
    return row_id.encode() * 300


def turn(response_id: str, conversation_id: str, *, has_ended: bool) -> StoredResponse:
    """A response with three items in and three out."""
    inputs, outputs = ([StoredItem(f"{response_id}_{side}{n}", body(response_id)) for n in range(3)] for side in "io")
    return StoredResponse(
        id=response_id,
        owner=ME,
        status="completed" if has_ended else "in_progress",
        created_at=1,
        conversation_id=conversation_id,
        background=True,
        body=body(response_id),
        input=inputs,
        output=outputs if has_ended else [],
        request=b"" if has_ended else b"request",
    )


def events(response_id: str) -> list[EventBatch]:
    return [EventBatch(n, body(response_id)) for n in range(EVENTS)]


async def work(store: Store, name: str, numbers: Iterator[int]) -> None:
    """One turn after the other, each in a conversation of its own."""
    for number in numbers:
        response_id, conversation_id = f"resp_{name}_{number}", f"conv_{name}_{number}"
        await store.save_conversation(StoredConversation(id=conversation_id, owner=ME, created_at=1), [])
        assert await store.lock_conversation(conversation_id, writer=response_id, now=1, until=2)
        assert await store.save(turn(response_id, conversation_id, has_ended=False))
        record("saved", response_id)
        claim = await store.claim(response_id, now=1, until=2)
        assert claim == Claim(response_id, 1)
        for each in events(response_id):
            assert await store.append_events(claim, each)
            record(f"event{each.first}", response_id)
        assert await store.settle(turn(response_id, conversation_id, has_ended=True), fence=1)
        record("settled", response_id)
        if number % 5 == 0:
            assert await store.delete_response(ME, response_id)
            record("deleted", response_id)


def record(what: str, response_id: str) -> None:
    sys.stdout.write(f"{what} {response_id}\n")
    sys.stdout.flush()


async def main(path: str, name: str, turns: int) -> None:
    store = SqliteStore(path)
    await store.migrate()
    numbers = iter(range(1, turns + 1)) if turns else count(1)
    await asyncio.gather(*(work(store, name, numbers) for _ in range(AT_ONCE)))
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
