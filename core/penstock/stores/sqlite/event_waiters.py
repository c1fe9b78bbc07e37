"""Tasks that wait for a response's events. Commits of this process wake them, and polling finds those of others.

It knows futures and ids. At each interval, one small query for all waiting tasks asks whether another process has
committed. Only then a second query finds the responses with new events.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from penstock.telemetry import leave

_log = logging.getLogger(__name__)

_POLL_MIN_S = 0.025
_POLL_MAX_S = 0.1
_POLL_GROWTH = 1.5
"""The interval of polling, after a commit of another process and after a long time without one, and its growth."""

EventPosition: TypeAlias = tuple[str, int]
"""A response's id, and the number of the event after which the next one is awaited."""


class EventWaiters:
    """The waiting tasks. Nothing polls while there are none."""

    def __init__(
        self,
        version: Callable[[], Awaitable[int]],
        find_ready: Callable[[Sequence[EventPosition]], Awaitable[set[str]]],
    ) -> None:
        """`version` changes when another process commits. `find_ready` returns the ids of responses with new events."""
        self._version = version
        self._find_ready = find_ready
        self._waiters: defaultdict[str, dict[asyncio.Future[None], int]] = defaultdict(dict)
        self._polling: asyncio.Task[None] | None = None

    async def wait(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Wait until there may be a newer event, or the time is up."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[response_id][woken] = after
        try:
            if not await self._find_ready([(response_id, after)]):
                self._start_polling()
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken, timeout_s)
        finally:
            self._remove(response_id, woken)

    def wake(self, response_id: str) -> None:
        """Wake the tasks that wait for this response."""
        for woken in self._waiters.get(response_id, ()):
            if not woken.done():
                woken.set_result(None)

    async def aclose(self) -> None:
        """Wake all tasks and stop polling."""
        self._wake_all()
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling

    def _remove(self, response_id: str, woken: asyncio.Future[None]) -> None:
        self._waiters[response_id].pop(woken)
        if not self._waiters[response_id]:
            del self._waiters[response_id]

    def _wake_all(self) -> None:
        for response_id in list(self._waiters):
            self.wake(response_id)

    def _start_polling(self) -> None:
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll_while_any_waits())

    async def _poll_while_any_waits(self) -> None:
        leave()
        try:
            known, interval_s = None, _POLL_MIN_S
            while self._waiters:
                await asyncio.sleep(interval_s)
                version = await self._version()
                interval_s = _POLL_MIN_S if version != known else min(interval_s * _POLL_GROWTH, _POLL_MAX_S)
                if version != known:
                    known = version
                    await self._wake_ready()
        except Exception:  # the waiting tasks read the store themselves, and get the error
            _log.warning(
                "Polling for events of other processes failed; it starts again with the next waiting client.",
                exc_info=True,
            )
            self._wake_all()

    async def _wake_ready(self) -> None:
        positions = [(response_id, min(afters.values())) for response_id, afters in self._waiters.items()]
        for response_id in await self._find_ready(positions):
            self.wake(response_id)
