"""Maintenance: migrates the schema, removes expired rows, and counts rows; and marks, each of which is set once."""

from __future__ import annotations

from penstock.errors import ApiError
from penstock.ids import clock_s

from .database import RUNNING, Statement, StorePart
from .schema import MIGRATIONS, READ_VERSION, REMOVE_VERSION, VERSION_TABLE, WRITE_VERSION

MARK = """
INSERT INTO marks (owner, name, expires_at) VALUES (?2, ?3, ?4)
ON CONFLICT (owner, name) DO UPDATE SET expires_at = excluded.expires_at WHERE marks.expires_at <= ?1
RETURNING name
"""
_SWEEPS = (
    "DELETE FROM responses WHERE number IN (SELECT number FROM responses WHERE expires_at <= ?2 LIMIT ?3) RETURNING id",
    """
    DELETE FROM conversations WHERE number IN (SELECT number FROM conversations WHERE expires_at <= ?2 LIMIT ?3)
    RETURNING id
    """,
    """
    DELETE FROM marks
    WHERE (owner, name) IN (SELECT owner, name FROM marks WHERE expires_at <= ?2 LIMIT ?3) RETURNING name
    """,
)
STATS = f"""
SELECT (SELECT count(*) FROM responses) AS responses,
    (SELECT count(*) FROM response_items) AS response_items,
    (SELECT count(*) FROM events) AS event_batches,
    (SELECT count(*) FROM responses WHERE {RUNNING} AND leased_until IS NOT NULL) AS leases,
    (SELECT count(*) FROM conversations) AS conversations,
    (SELECT count(*) FROM conversation_items) AS conversation_items,
    (SELECT count(*) FROM marks) AS marks
"""
_CHECK = "UPDATE penstock_schema SET version = version"


class Maintenance(StorePart):
    """Operations on the whole database, and marks."""

    async def migrate(self) -> None:
        """Create or update the schema. What is known of it holds for all requests of this instance."""
        if self._database.is_migrated:
            return
        _, [row] = await self._batch(Statement(VERSION_TABLE), Statement(READ_VERSION))
        version = row["version"] or 0
        if version > len(MIGRATIONS):
            raise _newer(version)
        if version < len(MIGRATIONS):
            statements = [each for script in MIGRATIONS[version:] for each in script.split(";")]
            await self._batch(
                *map(Statement, statements),
                Statement(REMOVE_VERSION),
                Statement(WRITE_VERSION, (len(MIGRATIONS),)),
            )
        self._database.is_migrated = True

    async def check(self) -> None:
        """See `Store`: write a row, unchanged."""
        await self._rows(_CHECK)

    async def time_s(self) -> float:
        """Cloudflare's clock, which all instances share."""
        return clock_s()

    async def sweep(self, *, now: float, limit: int) -> int:
        """Remove expired responses, conversations and marks."""
        removed = 0
        for sql in _SWEEPS:
            removed += len(await self._rows(sql, int(now), limit - removed))
        return removed

    async def stats(self) -> dict[str, int]:
        """The number of rows of each kind."""
        [row] = await self._rows(STATS)
        return dict(row)

    async def mark_once(self, owner: str, name: str, *, expires_at: int) -> bool:
        """Set a mark, unless it is set and has not expired."""
        return bool(await self._rows(MARK, owner, name, expires_at))


def _newer(version: int) -> ApiError:
    message = (
        f"A newer Penstock has written the store (schema {version}, this one knows {len(MIGRATIONS)}): upgrade this "
        "Worker, or give it another database."
    )
    return ApiError(message, status=500, type="server_error", code="server_error", retriable=False)
