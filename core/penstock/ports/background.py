"""The port to a runner of background responses: what runs a stored response where no process outlives a request.

A server needs none: its own processes run background responses. A function has one that invokes it again, or a queue.
"""

from __future__ import annotations

from typing import Protocol


class BackgroundRunner(Protocol):
    """Has stored background responses run by any process, each at least once."""

    async def start(self, owner: str, response_id: str) -> None:
        """Ask for the run of a response, which is stored already. Raises `ApiError` where nothing can be asked."""

    async def aclose(self) -> None:
        """Close every connection. The next call opens others."""
