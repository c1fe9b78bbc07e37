"""Maintenance: migrates the schema, deletes expired rows, and counts rows."""

from __future__ import annotations

from ._base import StorePart
from .migrations import migrate
from .rows import RUNS

SWEEP_BATCH = 50
"""How many rows one statement deletes; each may have thousands of items, and the statement has a timeout."""

# A row that another replica is deleting or writing is skipped until the next sweep.
_SWEEP = """
    DELETE FROM {table} WHERE {key} = ANY(ARRAY(
        SELECT {key} FROM {table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
    RETURNING 1
"""
SWEEPS = [
    _SWEEP.format(table="responses", key="id"),
    _SWEEP.format(table="conversations", key="id"),
    _SWEEP.format(table="marks", key="ctid"),
]

STATS = f"""
    SELECT (SELECT count(*) FROM responses) AS responses,
        (SELECT count(*) FROM conversations) AS conversations,
        (SELECT count(*) FROM response_items) + (SELECT count(*) FROM conversation_items) AS items,
        (SELECT count(*) FROM events) AS event_batches,
        (SELECT count(*) FROM responses WHERE {RUNS} AND leased_until IS NOT NULL) AS leases,
        (SELECT count(*) FROM marks) AS marks,
        (
            SELECT sum(pg_total_relation_size(relation.oid))::bigint FROM pg_class relation
            WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
        ) AS bytes
"""

MARK = """
    INSERT INTO marks (owner, name, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT (owner, name) DO UPDATE SET expires_at = excluded.expires_at
        WHERE marks.expires_at <= extract(epoch FROM now())
    RETURNING 1
"""


class Maintenance(StorePart):
    """Operations on the whole database."""

    async def migrate(self) -> None:
        """Migrate the schema to this version."""
        await migrate(self._database.address)

    async def check(self) -> None:
        """See `Store`. A standby cannot write, so it gives no transaction id."""
        await self._database.change("SELECT pg_current_xact_id()")

    async def time_s(self) -> float:
        """See `Store`: the server's clock."""
        [row] = await self._database.read("SELECT extract(epoch FROM clock_timestamp())::float8 AS time_s")
        return float(row["time_s"])

    async def sweep(self, *, now: float, limit: int) -> int:
        """Delete expired responses, conversations and marks, in batches."""
        removed = 0
        for sql in SWEEPS:
            while removed < limit:
                batch = min(SWEEP_BATCH, limit - removed)
                swept = len(await self._database.change(sql, int(now), batch))
                removed += swept
                if swept < batch:
                    break
        return removed

    async def mark_once(self, owner: str, name: str, *, expires_at: int) -> bool:
        """Set a mark that is not set yet."""
        return bool(await self._database.change(MARK, owner, name, expires_at))

    async def stats(self) -> dict[str, int]:
        """The number of rows of each kind, and the bytes of tables and indexes."""
        [row] = await self._database.read(STATS)
        return dict(row)
