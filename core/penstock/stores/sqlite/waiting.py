"""Those who wait for a response's events: woken by what this process commits, and by looking what others did.

It knows futures and ids. The looking is one small question in an interval for all who wait together, and one query
where the answer is that another process has committed something.
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

_LOOK_MIN_S = 0.025
_LOOK_MAX_S = 0.1
_LOOK_GROWTH = 1.5
"""How often others' commits are looked for: after one, and when there was none for long."""

Wish: TypeAlias = tuple[str, int]
"""A response's id, and the number after which an event is wished for."""


class Waiting:
    """Who waits for what. Nothing runs while nobody waits."""

    def __init__(
        self, version: Callable[[], Awaitable[int]], granted: Callable[[Sequence[Wish]], Awaitable[set[str]]]
    ) -> None:
        """`version` changes where another process commits; `granted` tells the ids whose wishes are fulfilled."""
        self._version = version
        self._granted = granted
        self._waiting: defaultdict[str, dict[asyncio.Future[None], int]] = defaultdict(dict)
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """Until the wish may be fulfilled, or time is up."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[response_id][woken] = after
        try:
            if not await self._granted([(response_id, after)]):
                self._look()
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken, timeout_s)
        finally:
            self._forget(response_id, woken)

    def wake(self, response_id: str) -> None:
        """Let those who wait for this one look again."""
        for woken in self._waiting.get(response_id, ()):
            if not woken.done():
                woken.set_result(None)

    async def aclose(self) -> None:
        """Wake everybody, and look no more."""
        self._wake_all()
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    def _forget(self, response_id: str, woken: asyncio.Future[None]) -> None:
        self._waiting[response_id].pop(woken)
        if not self._waiting[response_id]:
            del self._waiting[response_id]

    def _wake_all(self) -> None:
        for response_id in list(self._waiting):
            self.wake(response_id)

    def _look(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_somebody_waits())

    async def _look_while_somebody_waits(self) -> None:
        leave()
        try:
            known, interval_s = None, _LOOK_MIN_S
            while self._waiting:
                await asyncio.sleep(interval_s)
                version = await self._version()
                interval_s = _LOOK_MIN_S if version != known else min(interval_s * _LOOK_GROWTH, _LOOK_MAX_S)
                if version != known:
                    known = version
                    await self._grant()
        except Exception:  # whoever waits shall see the error, by looking themselves
            _log.warning(
                "Looking for other processes' events failed; it begins again with the next who waits.", exc_info=True
            )
            self._wake_all()

    async def _grant(self) -> None:
        wishes = [(response_id, min(afters.values())) for response_id, afters in self._waiting.items()]
        for response_id in await self._granted(wishes):
            self.wake(response_id)
