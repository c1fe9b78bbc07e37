"""Leases: which process works on which background response.

A lease is two columns of the response's own row, so that claiming, renewing or releasing it is one UPDATE, which
compares and sets under the row's lock. No clock is read here: the caller gives the time.
"""

from __future__ import annotations

from collections.abc import Collection

from penstock.ports import Claim, StoredResponse

from ._base import StorePart
from .rows import ALIVE, RESPONSE, RUNS, response_of

CLAIM = f"""
    UPDATE responses SET fence = fence + 1, leased_until = $3
    WHERE id = $1 AND {RUNS} AND {ALIVE} AND (leased_until IS NULL OR leased_until <= $2)
    RETURNING fence
"""
RENEW = f"""
    UPDATE responses SET leased_until = $3 FROM unnest($1::text[], $2::bigint[]) AS held (response_id, held_fence)
    WHERE id = response_id AND fence = held_fence AND leased_until IS NOT NULL AND {RUNS} AND {ALIVE}
    RETURNING id
"""
RELEASE = f"UPDATE responses SET leased_until = NULL WHERE id = $1 AND fence = $2 AND {RUNS}"
UNCLAIMED = f"""
    {RESPONSE}
    WHERE background AND {RUNS} AND {ALIVE} AND (leased_until IS NULL OR leased_until <= $1)
    ORDER BY created_at, id LIMIT $2
"""


class Leases(StorePart):
    """The leases of background responses."""

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """Take the lease, if no other lease is valid."""
        rows = await self._database.change(CLAIM, response_id, now, until)
        return Claim(response_id, rows[0]["fence"]) if rows else None

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """Renew leases; returns the ids of those that are lost."""
        ids = [claim.response_id for claim in claims]
        rows = await self._database.change(RENEW, ids, [claim.fence for claim in claims], until)
        return set(ids) - {row["id"] for row in rows}

    async def release(self, claim: Claim) -> None:
        """Release a lease."""
        await self._database.change(RELEASE, claim.response_id, claim.fence)

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """Responses without a valid lease, oldest first."""
        return [response_of(row) for row in await self._database.read(UNCLAIMED, now, limit)]
