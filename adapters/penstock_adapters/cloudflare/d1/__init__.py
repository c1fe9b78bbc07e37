"""The store in D1, Cloudflare's SQLite: shared by all instances of a Worker, and durable.

Every change is one batch, which D1 runs as a transaction: its comparison and its change are atomic, whatever other
instances do. A change that fails with 503 may have been made; a caller that must know reads again. It keeps no state,
so that requests do not wait for each other.
"""

from __future__ import annotations

from .conversations import Conversations
from .events import Events
from .leases import Leases
from .maintenance import Maintenance
from .responses import Responses

__all__ = ["D1Store"]


class D1Store(Responses, Events, Leases, Conversations, Maintenance):
    """A `Store` in a database of D1, with `Marks`."""

    async def aclose(self) -> None:
        """There is nothing to close: D1 has no connections."""
