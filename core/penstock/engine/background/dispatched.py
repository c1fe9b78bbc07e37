"""Background responses that a `BackgroundRunner` has run: for hosts where no process outlives a request.

A response is stored first. Then the runner is asked for its run, with its owner and id alone. A process that is asked
claims it, so that of several at a time one works; the others report that it is not done, and are asked again. Nothing
else takes over responses here, and nothing sweeps the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from penstock.engine.running.persistence import RENEWAL_SHARE
from penstock.engine.running.request_deadline import RequestDeadline
from penstock.errors import ApiError
from penstock.ids import Clock
from penstock.limits import Limits
from penstock.ports import ENDED, BackgroundRunner, Store, StoredResponse
from penstock.secrets import Secret
from penstock.telemetry import Recorder, leave

from .queue import Waiting
from .runner import Background, StartRun

_log = logging.getLogger("penstock.background")


class DispatchedBackground(Background):
    """The background responses of a process that works on those alone that it is asked for."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        start_run: StartRun,
        clock_s: Clock,
        recorder: Recorder,
        *,
        runner: BackgroundRunner,
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(store, limits, start_run, clock_s, recorder, ready=ready)
        self._runner = runner
        self._before = ready

    is_started = True
    """There is nothing to start: no work is done between requests."""

    async def submit(self, row: StoredResponse, key: Secret | None = None) -> None:
        """Store a queued response and have it run. Raises `ApiError` where that is not possible; it has failed then."""
        await self._store.save(row)
        try:
            await self._runner.start(row.owner, row.id)
        except ApiError as error:
            claim = await self._claim(row)
            if claim is not None:
                await self._give_up(row, claim, error)
                self._claims.pop(row.id, None)
            raise

    async def perform(self, owner: str, response_id: str, deadline: RequestDeadline | None = None) -> bool:
        """Run a stored response to its end. True where it has ended then, or is gone.

        False where another process has it: the caller must be asked again, since that process may stop. Raises
        `ApiError` where the store is not available.
        """
        await self._before()
        row = await self._store.response(owner, response_id)
        if row is None or row.status in ENDED:
            return True
        claim = await self._claim(row)
        if claim is not None:
            renewing = asyncio.ensure_future(self._renew_regularly())
            try:
                # spec: asked-again
                if await self._may_run(row):
                    await self._work(Waiting(row, claim, None, None, deadline))
                else:
                    await self._end_interrupted(row, claim)
            finally:
                renewing.cancel()
                self._claims.pop(row.id, None)
        row = await self._store.response(owner, response_id)
        return row is None or row.status in ENDED

    async def aclose(self) -> None:
        """Release the leases, and close the connections of the runner."""
        await super().aclose()
        await self._runner.aclose()

    async def _renew_regularly(self) -> None:
        """Renew the leases while responses run."""
        leave()
        while True:
            await asyncio.sleep(self._limits.lease_s * RENEWAL_SHARE)
            try:
                await self._renew()
            except ApiError as error:
                _log.debug("a lease is renewed late: %s", error)


async def perform(
    background: Background | None, owner: str, response_id: str, deadline: RequestDeadline | None = None
) -> bool:
    """Run a stored background response to its end. False where another process has it. Raises `ApiError`."""
    if not isinstance(background, DispatchedBackground):
        raise RuntimeError("a background response is to be run here, but `background_runner` is not set")
    return await background.perform(owner, response_id, deadline)
