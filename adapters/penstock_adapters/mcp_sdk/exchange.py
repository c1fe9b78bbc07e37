"""What happened to the HTTP requests of one call: the SDK reports little of it, so the transport notes it here.

The SDK sends a call in the context of its caller. So a context variable has the call that a request belongs to.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

from penstock.tools.mcp.client import McpFailed


class Exchange:
    """The requests of one call, or of the beginning of a session."""

    __slots__ = ("failure", "scope", "status", "was_sent")

    def __init__(self) -> None:
        self.status: int | None = None
        """The status of the last reply."""
        self.failure: McpFailed | None = None
        """Why a reply could not be used, where the transport knows it."""
        self.was_sent = False
        """Whether the server may have received a request."""
        self.scope: asyncio.Timeout | None = None
        """What the call runs in."""

    def end_soon(self) -> None:
        """A request of the call has failed. The SDK ends the call itself, except by the older transport."""
        if self.scope is not None and self.scope.when() is None:
            self.scope.reschedule(asyncio.get_running_loop().time() + _GRACE_S)


_GRACE_S = 0.5
"""How long the SDK has for that."""

CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""The call that the running task works for."""
