"""The store in PostgreSQL: for many replicas, and for memory that outlives every machine but the database's.

What a method has returned from is committed. What that promises is the server's `synchronous_commit`, which this store
leaves as it is: with `on`, the default, it outlives a crash of the database; with synchronous standbys, the loss of its
machine; with `off`, a crash may take the last fraction of a second, though never a part of a transaction. The server's
`fsync = off` promises nothing.

Everything stands in a schema of its own, and every change is one statement: what it compares and what it sets are one
step, whatever other replicas do. A change that fails with 503 may have been made; whoever has to know reads.

It needs PostgreSQL 14, and asyncpg, which is imported when a store first connects. Between the two there may be a
pooler by sessions; one by transactions would lose the search path, and the news of other replicas.
"""

from __future__ import annotations

from .address import read_address
from .conversations import Conversations
from .database import Database
from .events import Events
from .leases import Leases
from .maintenance import Upkeep
from .notifications import News
from .responses import PostgresResponses

__all__ = ["PostgresStore"]


class PostgresStore(PostgresResponses, Events, Leases, Conversations, Upkeep):
    """A `Store` behind a URL such as `postgresql://penstock:secret@db.example.com/penstock`.

    Its query takes what libpq's does, and `schema`, `connections_max` and `statement_timeout_s`. It belongs to the
    event loop that first uses it, and connects at its first use.
    """

    def __init__(self, url: str) -> None:
        address = read_address(url)
        super().__init__(Database(address), News(address))

    async def aclose(self) -> None:
        """Tell what is still to be told, and close every connection."""
        await self._news.aclose()
        await self._database.aclose()
