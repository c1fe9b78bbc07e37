"""The events of background responses, and their leases.

A response's events are a stream. The id of a batch in it is the number of its first event, so that Redis itself rejects
a batch that comes twice or out of order.
"""

from __future__ import annotations

from collections.abc import Collection

from penstock.ports import Claim, EventBatch, StoredResponse

from .pipeline import Argument, Pipeline
from .pubsub import PubSub
from .rows import RESPONSE_FIELDS, response_from

BATCHES_MAX = 256
"""How many batches of events are returned at a time."""
EVENT_BYTES_MAX = 2**20
"""About how many bytes of events are returned at a time."""
UNCLAIMED_BYTES_MAX = 4 * 2**20
"""About how many bytes of waiting responses are returned at a time."""
CLAIMS_MAX = 500
"""How many leases are renewed at a time."""


class Events:
    """An `EventLog`."""

    _pipeline: Pipeline
    _pubsub: PubSub

    async def append_events(self, claim: Claim, batch: EventBatch) -> bool:
        """See `EventLog`."""
        done = await self._pipeline.run("append_events", claim.response_id, claim.fence, batch.first, batch.data)
        return bool(done)

    async def events(self, response_id: str, *, after: int) -> list[EventBatch]:
        """See `EventLog`."""
        found = await self._pipeline.run("events", response_id, after, BATCHES_MAX, EVENT_BYTES_MAX)
        return [EventBatch(int(number.partition(b"-")[0]) - 1, fields[1]) for number, fields in found]

    async def wait_for_events(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """See `EventLog`."""
        await self._pubsub.wait(response_id, after=after, timeout_s=timeout_s)


class ResponseLeases:
    """`Leases` of responses."""

    _pipeline: Pipeline

    async def claim(self, response_id: str, *, now: float, until: float) -> Claim | None:
        """See `Leases`."""
        fence = await self._pipeline.run("claim", response_id, now, until)
        return Claim(response_id, fence) if fence else None

    async def renew(self, claims: Collection[Claim], *, until: float) -> set[str]:
        """See `Leases`."""
        lost: set[str] = set()
        held = list(claims)
        for start in range(0, len(held), CLAIMS_MAX):
            arguments: list[Argument] = []
            for claim in held[start : start + CLAIMS_MAX]:
                arguments += (claim.response_id, claim.fence)
            lost.update(response_id.decode() for response_id in await self._pipeline.run("renew", until, *arguments))
        return lost

    async def release(self, claim: Claim) -> None:
        """See `Leases`."""
        await self._pipeline.run("release", claim.response_id, claim.fence)

    async def unclaimed(self, *, now: float, limit: int) -> list[StoredResponse]:
        """See `Leases`."""
        rows = await self._pipeline.run("unclaimed", now, limit, UNCLAIMED_BYTES_MAX, *RESPONSE_FIELDS)
        found = [response_from(response_id.decode(), values) for response_id, values in rows]
        return [response for response in found if response is not None]
