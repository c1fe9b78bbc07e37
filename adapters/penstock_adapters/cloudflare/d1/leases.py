"""Leases: which process works on which background response.

A lease is two columns of the response's row, so that each step is one UPDATE. No clock is read here but for expiry.
"""

from __future__ import annotations

from collections.abc import Collection

from penstock.ports import Claim, StoredResponse

from .database import RUNNING, UNEXPIRED, Statement, StorePart, json_of
from .responses import RESPONSE, responses_of

CLAIM = f"""
UPDATE responses SET fence = fence + 1, leased_until = ?4
WHERE id = ?2 AND {RUNNING} AND {UNEXPIRED} AND (leased_until IS NULL OR leased_until <= ?3)
RETURNING fence
"""
RENEW = f"""
UPDATE responses SET leased_until = ?3
WHERE {RUNNING} AND {UNEXPIRED} AND leased_until IS NOT NULL AND id IN (
    SELECT json_extract(value, '$[0]') FROM json_each(?2) WHERE json_extract(value, '$[1]') = fence
)
RETURNING id
"""
_UNCLAIMED = f"""
background = 1 AND {RUNNING} AND {UNEXPIRED} AND (leased_until IS NULL OR leased_until <= ?2)
ORDER BY created_at, number LIMIT ?3
"""
UNCLAIMED = f"{RESPONSE} WHERE {_UNCLAIMED}"
UNCLAIMED_ITEMS = f"""
SELECT response, is_output, id, body FROM response_items
WHERE response IN (SELECT number FROM responses WHERE {_UNCLAIMED}) ORDER BY response, is_output, position
"""


class Leases(StorePart):
    """The leases of background responses."""

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """Take the lease, unless another lease is in force."""
        rows = await self._rows(CLAIM, response_id, now, until)
        return Claim(response_id, rows[0]["fence"]) if rows else None

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """Prolong leases. Returns the ids of those that are lost."""
        return await self._set_until(claims, until)

    async def release(self, claim: Claim) -> None:
        """Release a lease."""
        await self._set_until([claim], None)

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """Background responses without a lease in force, the oldest first."""
        values = (now, limit)
        return responses_of(*await self._batch(Statement(UNCLAIMED, values), Statement(UNCLAIMED_ITEMS, values)))

    async def _set_until(self, claims: Collection[Claim], until: float | None) -> set[str]:
        held = [(claim.response_id, claim.fence) for claim in claims]
        rows = await self._rows(RENEW, json_of(held), until)
        return {claim.response_id for claim in claims} - {row["id"] for row in rows}
