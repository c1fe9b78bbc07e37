"""The store in PostgreSQL: for several replicas, and for data that outlives every machine but the database's.

A method returns after its change is committed. How durable that is depends on the server's `synchronous_commit`, which
this store does not change: with `on`, the default, a change outlives a crash of the database; with synchronous
standbys, the loss of its machine; with `off`, a crash may lose the last fraction of a second, but never a part of a
transaction. A server with `fsync = off` guarantees nothing.

All tables are in one schema, and every change is one statement: its comparison and its change are atomic, whatever
other replicas do. A change that fails with 503 may have been made; a caller that must know reads again.

It needs PostgreSQL 14, and asyncpg, which is imported when a store first connects. A connection pooler may be in
between if it pools sessions; one that pools transactions would lose the search path and the notifications.
"""

from __future__ import annotations

from .address import read_address
from .conversations import Conversations
from .database import Database
from .events import Events
from .leases import Leases
from .maintenance import Maintenance
from .notifications import Notifications
from .responses import PostgresResponses

__all__ = ["PostgresStore"]


class PostgresStore(PostgresResponses, Events, Leases, Conversations, Maintenance):
    """A `Store` behind a URL such as `postgresql://penstock:secret@db.example.com/penstock`.

    Its query takes what libpq's does, and `schema`, `connections_max` and `statement_timeout_s`. It belongs to the
    event loop that first uses it, and connects at its first use.
    """

    def __init__(self, url: str) -> None:
        address = read_address(url)
        super().__init__(Database(address), Notifications(address))

    async def aclose(self) -> None:
        """Send pending notifications, and close every connection."""
        await self._notifications.aclose()
        await self._database.aclose()
