"""The store: each method of the port is an operation of the thread that writes, or of the threads that read.

When a method has returned, its change survives the end of this process, and with `synchronous` FULL also a power
failure. NORMAL does not wait for the disk at each commit: a power failure may then lose the last commits, but never the
file.

Deleted and swept contents are in no byte of the file or its log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Container, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from penstock.errors import ApiError
from penstock.ids import clock_s, now_s
from penstock.ports import Claim, EventBatch, ItemPage, StoredConversation, StoredItem, StoredResponse

from . import background, conversations, marks, responses, retention, schema
from .connection import Synchronous, open_reader, open_writer
from .event_waiters import EventPosition, EventWaiters
from .file import StoreFile
from .read_pool import ReadPool
from .writer import Writer


class SqliteStore:
    """A `Store` in one file. Nothing is opened or created before the first call, which should be `migrate`."""

    def __init__(self, path: str | Path, *, synchronous: Synchronous = "FULL") -> None:
        name = str(Path(path).absolute())
        self._file = file = StoreFile(name)
        self._writer = Writer(file, lambda: open_writer(name, synchronous))
        self._readers = ReadPool(file, lambda: open_reader(name))
        self._waiters = EventWaiters(self._version, self._find_ready)

    # Responses.

    async def save(self, response: StoredResponse) -> bool:
        """Add a response. If it is completed, add its items to its conversation too."""
        return await self._writer.run(lambda db: responses.save(db, response, now_s()))

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """Update a response that has not ended."""
        return await self._writer.run(
            lambda db: responses.settle(db, response, fence, now_s()),
            then=lambda settled: self._waiters.wake(response.id) if settled else None,
        )

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """One response."""
        return await self._readers.run(lambda db: responses.get(db, owner, response_id, now_s()))

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """Remove a response with its items, its events and its lease."""
        return await self._writer.run(
            lambda db: responses.delete(db, owner, response_id, now_s()),
            erases=True,
            then=lambda _: self._waiters.wake(response_id),
        )

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """The response and all before it, the oldest first."""
        return await self._readers.run(
            lambda db: responses.chain(db, owner, response_id, responses_max, bytes_max, known, now_s())
        )

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
        return await self._readers.run(
            lambda db: responses.page_input(
                db,
                owner,
                response_id,
                responses_max=responses_max,
                after=after,
                limit=limit,
                order=order,
                now=now_s(),
            )
        )

    async def find_items(
        self, owner: str, item_ids: Collection[str], *, bytes_max: int | None = None
    ) -> dict[str, bytes]:
        """The bodies of those items that exist."""
        return await self._readers.run(lambda db: responses.find_items(db, owner, item_ids, bytes_max, now_s()))

    # Events.

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """Append events to a log."""
        return await self._writer.run(
            lambda db: background.append(db, claim, batch, now_s()),
            then=lambda _: self._waiters.wake(claim.response_id),
        )

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """The batches from the one on that contains the event after `after`."""
        return await self._readers.run(lambda db: background.events(db, response_id, after, now_s()))

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Wait for a newer batch, or the response's end, in this process or another."""
        await self._waiters.wait(response_id, after=after, timeout_s=timeout_s)

    async def _find_ready(self, positions: Sequence[EventPosition]) -> set[str]:
        return await self._readers.run(lambda db: background.find_ready(db, positions, now_s()))

    async def _version(self) -> int:
        """SQLite's `data_version` of the connection that writes, which changes only when another process commits."""
        return await self._writer.run(_data_version, alone=True)

    # Leases.

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """Take the lease, unless another lease is in force."""
        return await self._writer.run(lambda db: background.claim(db, response_id, now, until, now_s()))

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """Prolong leases. Returns the ids of those that are lost."""
        return await self._writer.run(lambda db: background.renew(db, claims, until, now_s()))

    async def release(self, claim: Claim) -> None:
        """Release a lease."""
        await self._writer.run(lambda db: background.renew(db, [claim], None, now_s()))

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """Background responses without a lease in force, the oldest first."""
        return await self._readers.run(lambda db: background.unclaimed(db, now, limit, now_s()))

    # Conversations.

    async def save_conversation(self, conversation: StoredConversation, items: Sequence[StoredItem]) -> None:
        """Add a conversation with its first items."""
        await self._writer.run(lambda db: conversations.save(db, conversation, items))

    async def conversation(self, owner: str, conversation_id: str) -> StoredConversation | None:
        """One conversation."""
        return await self._readers.run(lambda db: conversations.get(db, owner, conversation_id, now_s()))

    async def update_conversation(self, owner: str, conversation_id: str, metadata: bytes) -> bool:
        """Replace the metadata of a conversation."""
        return await self._writer.run(
            lambda db: conversations.update(db, owner, conversation_id, metadata, now_s()), erases=True
        )

    async def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """Remove a conversation and its items."""
        return await self._writer.run(lambda db: conversations.delete(db, owner, conversation_id, now_s()), erases=True)

    async def add_items(self, owner: str, conversation_id: str, items: Sequence[StoredItem]) -> bool:
        """Append items to a conversation."""
        return await self._writer.run(lambda db: conversations.add(db, owner, conversation_id, items, now_s()))

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
        """A page of a conversation's items."""
        return await self._readers.run(
            lambda db: conversations.page(
                db, owner, conversation_id, after=after, limit=limit, order=order, bytes_max=bytes_max, now=now_s()
            )
        )

    async def item(self, owner: str, conversation_id: str, item_id: str) -> bytes | None:
        """One item of a conversation."""
        return await self._readers.run(lambda db: conversations.item(db, owner, conversation_id, item_id, now_s()))

    async def delete_item(self, owner: str, conversation_id: str, item_id: str) -> bool:
        """Remove one item of a conversation."""
        return await self._writer.run(
            lambda db: conversations.delete_item(db, owner, conversation_id, item_id, now_s()), erases=True
        )

    async def lock_conversation(self, conversation_id: str, *, writer: str, now: float, until: float) -> bool:
        """Make a response the writer of a conversation, unless it has another writer."""
        return await self._writer.run(
            lambda db: conversations.lock(db, conversation_id, writer=writer, at=now, until=until, now=now_s())
        )

    async def unlock_conversation(self, conversation_id: str, *, writer: str) -> None:
        """Remove the writer of a conversation."""
        await self._writer.run(lambda db: conversations.unlock(db, conversation_id, writer=writer))

    async def mark_once(self, owner: str, name: str, *, expires_at: int) -> bool:
        """Set a mark that is not set yet."""
        return await self._writer.run(lambda db: marks.mark_once(db, owner, name, expires_at, now_s()))

    # The whole store.

    async def migrate(self) -> None:
        """Create the file, or migrate it."""
        await self._writer.run(schema.migrate, alone=True)

    async def check(self) -> None:
        """Write one page of the file, unchanged, and read it. After a full disk there must be room for large rows."""
        # spec: failing-stores
        await self._find_room()
        await self._writer.run(schema.check_write)
        await self._readers.run(schema.check_read)

    async def _find_room(self) -> None:
        """Where a write found no room, check whether there is room now. Raises `ApiError` while there is none."""
        if self._file.lacks_room:
            await self._writer.run(schema.check_room, then=lambda _: self._file.note_room())

    async def time_s(self) -> float:
        """This machine's clock, which all processes that share the file use."""
        return clock_s()

    async def sweep(self, *, now: float, limit: int) -> int:
        """Remove expired responses, conversations and marks."""
        removed = await self._writer.run(lambda db: retention.sweep(db, now, limit), erases=True)
        with suppress(ApiError):
            await self._find_room()
        return removed

    async def stats(self) -> dict[str, int]:
        """The number of rows of each kind, and their bytes."""
        return await self._readers.run(retention.stats)

    async def aclose(self) -> None:
        """Finish pending operations and close the file."""
        await self._waiters.aclose()
        await self._readers.aclose()
        await self._writer.aclose()


def _data_version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA data_version").fetchone()[0])
