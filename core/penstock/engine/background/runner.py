"""Background responses run without a client, and another process continues the work of one that has stopped.

Each process works on the responses whose leases it holds, renews the leases, and takes over responses whose lease has
expired: a run without any event starts again, any other ends as `failed`. Every change is a compare-and-set in the
store, so the processes need not know each other.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from functools import partial

from msgspec.structs import replace

from penstock.engine.running.deadlines import ClientLeft
from penstock.engine.running.persistence import RENEWAL_SHARE, ConversationWriter, Ending, conversation_lost, ended_row
from penstock.engine.running.request_deadline import RequestDeadline
from penstock.engine.running.run import Run
from penstock.errors import ApiError, internal_error, unavailable, untraced, upstream_failed
from penstock.ids import Clock
from penstock.json_codec import Decoder, encode
from penstock.limits import Limits
from penstock.ports import ENDED, Claim, Store, StoredResponse
from penstock.secrets import Secret
from penstock.telemetry import AccessRecord, OutageLog, Recorder, current, leave
from penstock.transcript.closing import close_open
from penstock.wire import Event, Response, ResponseStatus

from .clock_jumps import ClockJumps
from .event_log import ClaimLost, LogWriter, read_log
from .queue import Queue, Waiting

_log = logging.getLogger("penstock.background")
_decode_response = Decoder[Response](Response).decode

_NO_READERS = Recorder()
_TAKEN_OVER_AT_ONCE_MAX = 100
_SWEPT_AT_ONCE_MAX = 500
_CANCEL_WAIT_S = 0.01
"""The maximum first wait of a cancellation while another one is in progress, in seconds; it doubles each time."""
_AFTER_EVERY_LEASE = 1e12
"""A time after the end of every lease: a claim at this time takes the lease from any holder."""

StartRun = Callable[[StoredResponse, "BackgroundSaver", Secret | None], Awaitable[Run]]
"""Makes the run of a stored request, with the client's own key where it is passed on. Raises `ApiError`."""


class BackgroundSaver:
    """Saves a background response: its events in the log, its end in its row."""

    def __init__(self, store: Store, row: StoredResponse, claim: Claim, limits: Limits, clock_s: Clock) -> None:
        self._clock_s = clock_s
        self._store = store
        self._row = row
        self._claim = claim
        self._lease_s = limits.lease_s
        self._log = LogWriter(store, claim, batch_bytes_max=limits.event_batch_bytes_max)
        self._begun = False
        self.writer: ConversationWriter | None = None
        """The lock on the response's conversation, if it has one."""
        self.deadline: RequestDeadline | None = None
        """When the run ends with its output so far, where the host of this process ends it."""

    async def add(self, events: Sequence[Event]) -> None:
        """Save events. The first ones are written at once: from then on the run cannot start again."""
        if self._begun:
            await self._log.add(events)
            return
        self._begun = True
        await self._log.flush(events)
        body = encode(replace(_decode_response(self._row.body), status="in_progress"))
        if not await self._store.settle(replace(self._row, status="in_progress", body=body), fence=self._claim.fence):
            raise ClaimLost

    async def save(self, ending: Ending) -> None:
        """Write pending events, then settle the row."""
        try:
            await self._log.flush(ending.events)
        except ClaimLost:
            raise ClientLeft from None
        # spec: cancel
        if not await self._store.settle(ended_row(self._row, ending), fence=self._claim.fence):
            if await self._store.renew([self._claim], until=self._clock_s() + self._lease_s):
                raise ClientLeft  # the response has ended, or another process has it
            # spec: deleted-conversations
            raise await conversation_lost(self._store, self._row)

    async def close(self) -> None:
        """Unlock the conversation."""
        if self.writer is not None:
            await self.writer.unlock()


class Background:
    """The background responses of one process. No task starts before `start`."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        start_run: StartRun,
        clock_s: Clock,
        recorder: Recorder = _NO_READERS,
        *,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._ready = ready or store.migrate
        self._outage = OutageLog(_log, "Tending the background responses")
        self._store = store
        self._limits = limits
        self._start_run = start_run
        self._recorder = recorder
        self._clock_s = clock_s
        self._jumps = ClockJumps(clock_s, limits.lease_s)
        self._queue = Queue(limits)
        self._claims: dict[str, Claim] = {}
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tending: asyncio.Task[None] | None = None
        self.taken_over = 0
        """How many responses of processes that had stopped this process has taken over."""

    @property
    def waiting(self) -> int:
        """How many responses wait here until they can run."""
        return len(self._queue)

    @property
    def is_started(self) -> bool:
        """Whether it is started, and not closed since."""
        return self._tending is not None

    def start(self) -> None:
        """Begin to renew leases, and to take over responses of other processes."""
        self._tending = asyncio.ensure_future(self._tend())

    def check_room(self, owner: str) -> None:
        """Raise `ApiError` 429 where too many responses wait, or too many of this owner."""
        self._queue.check_room(owner)

    async def submit(self, row: StoredResponse, key: Secret | None = None) -> None:
        """Store a queued response and run it soon. Raises `ApiError` as `check_room`."""
        self.check_room(row.owner)
        await self._store.save(row)
        claim = await self._claim(row)
        if claim is not None:
            self._enqueue(Waiting(row, claim, key, current()))

    async def cancel(self, row: StoredResponse) -> StoredResponse | None:
        """End an unfinished response as `cancelled`. Returns its row, or None where it was deleted meanwhile.

        Of several cancellations at once, the last to claim the response ends it; the others wait. Raises `ApiError`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.cancel_wait_s
        wait_s = _CANCEL_WAIT_S
        current: StoredResponse | None = row
        # spec: cancels-together
        while current is not None and current.status not in ENDED:
            if cancelled := await self._cancel_once(current):
                return cancelled
            await asyncio.sleep(random.uniform(0, wait_s))
            wait_s *= 2
            if loop.time() > deadline:
                raise unavailable("Others cancel the same response at the same time.", retry_after_s=1.0)
            current = await self._store.response(row.owner, row.id)
        return current

    async def _cancel_once(self, row: StoredResponse) -> StoredResponse | None:
        """The row as cancelled; None where another process was faster.

        The lease is taken from its holder, so no event is added to the log after that.
        """
        until = self._clock_s() + self._limits.lease_s
        claim = await self._store.claim(row.id, now=_AFTER_EVERY_LEASE, until=until)
        if claim is None:
            return None
        cancelled = await self._closed_row(row, status="cancelled", error=None)
        # spec: cancel
        if not await self._store.settle(cancelled, fence=claim.fence):
            return None
        await self.stop(row.id)
        await self._unlock_conversation(row)
        return cancelled

    async def stop(self, response_id: str) -> None:
        """Stop a run of this process that has ended elsewhere; a response that waits here is removed from the queue."""
        if run := self._runs.get(response_id):
            run.stop()
        if waiting := self._queue.remove(response_id):
            copy_context().run(self._note_unrun, waiting)  # this task may have a record of its own
            # spec: deleted-queued
            await self._unlock_conversation(waiting.row)

    async def aclose(self) -> None:
        """Stop working and release the leases, so that other processes can take over. `start` begins again."""
        self._queue.clear()
        tasks = [*self._tasks, *([self._tending] if self._tending else [])]
        self._tending = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        claims, self._claims = self._claims, {}
        try:
            for claim in claims.values():
                await self._store.release(claim)
        except ApiError as error:
            _log.warning("leases were not released; other processes wait until they expire: %s", error)

    async def _claim(self, row: StoredResponse) -> Claim | None:
        now = self._clock_s()
        claim = await self._store.claim(row.id, now=now, until=now + self._limits.lease_s)
        if claim is not None:
            self._claims[row.id] = claim
        return claim

    def _enqueue(self, waiting: Waiting) -> None:
        self._queue.add(waiting)
        self._start_next()

    def _start_next(self) -> None:
        while waiting := self._queue.next():
            task = asyncio.ensure_future(self._work(waiting))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, waiting.row.owner))

    def _ended(self, owner: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._queue.ended(owner)
        if not task.cancelled():
            if task.exception() is not None:
                _log.error("a background response stopped because of an internal error", exc_info=task.exception())
            self._start_next()

    async def _work(self, waiting: Waiting) -> None:
        """Run one response to its end."""
        row, claim = waiting.row, waiting.claim
        record = self._begin(row, waiting.asked)
        saver = BackgroundSaver(self._store, row, claim, self._limits, self._clock_s)
        saver.deadline = waiting.deadline
        try:
            run = self._runs[row.id] = await self._start_run(row, saver, waiting.key)
            async for events in run.events():
                if events and not run.is_ended:  # the log has no terminal event
                    await saver.add(events)
        except ClaimLost as lost:
            _log.info("response %s has ended, or another process has its lease", row.id)
            untraced(lost)
        except ApiError as error:
            await self._give_up(row, claim, untraced(error))
        except Exception as error:
            _log.exception("response %s failed because of an internal error", row.id)
            untraced(error)
            await self._give_up(row, claim, internal_error())
        finally:
            run_here = self._runs.pop(row.id, None)
            if run_here is not None:
                await run_here.aclose()
            if not _is_cancelling():
                self._claims.pop(row.id, None)
                self._end(record)

    def _begin(self, row: StoredResponse, asked: AccessRecord | None = None) -> AccessRecord:
        """The access record of a run, with the ids of `asked` if that is known."""
        record = self._recorder.begin("BACKGROUND", "/v1/responses", asked.request_id if asked else "")
        if asked is not None:
            record.key_name, record.trace = asked.key_name, asked.trace
        record.response_id = row.id
        return record

    def _note_unrun(self, waiting: Waiting) -> None:
        """Record a response that has ended before it ran."""
        record = self._begin(waiting.row, waiting.asked)
        record.model = _decode_response(waiting.row.body).model
        record.runs()
        record.response_status = "cancelled"
        self._end(record)

    def _end(self, record: AccessRecord) -> None:
        """End the record. A run that was stopped here has ended elsewhere: no client has disconnected."""
        record.is_cut = False
        self._recorder.end(record, record.failure.status if record.failure else 200)

    async def _tend(self) -> None:
        """Renew leases, take over responses and sweep the store, repeatedly and despite failures."""
        leave()
        while True:
            try:
                await self._ready()
                await self._renew()
                if self._jumps.may_judge():
                    await self._take_over()
                # spec: bounded-stores
                await self._store.sweep(now=self._clock_s(), limit=_SWEPT_AT_ONCE_MAX)
                self._outage.succeeded()
            except ApiError as error:  # the store has logged why it cannot be used
                _log.debug("the work on background responses is delayed: %s", error)
            except Exception as error:
                self._outage.failed(f"{type(error).__name__}: {error}; it is tried again", error)
            await asyncio.sleep(self._limits.lease_s * RENEWAL_SHARE)

    async def _renew(self) -> None:
        if not self._claims:
            return
        lost = await self._store.renew(list(self._claims.values()), until=self._clock_s() + self._limits.lease_s)
        for response_id in lost:
            self._claims.pop(response_id, None)
            await self.stop(response_id)
        for waiting in self._queue:
            row = waiting.row
            if row.conversation_id is not None:
                await self._relock(row, row.conversation_id)

    async def _relock(self, row: StoredResponse, conversation_id: str) -> None:
        """Renew the lock of a waiting response's conversation; once it runs, its `ConversationWriter` does so."""
        now = self._clock_s()
        until = now + self._limits.writer_lock_s
        await self._store.lock_conversation(conversation_id, writer=row.id, now=now, until=until)

    async def _take_over(self) -> None:
        """Claim responses without a valid lease, as many as the queue has room for."""
        for row in await self._store.unclaimed(now=self._clock_s(), limit=_TAKEN_OVER_AT_ONCE_MAX):
            if self._queue.is_full:
                return
            claim = await self._claim(row)
            if claim is None:
                continue
            self.taken_over += 1
            if await self._may_run(row):
                self._enqueue(Waiting(row, claim, None))
            else:
                await self._end_interrupted(row, claim)

    async def _may_run(self, row: StoredResponse) -> bool:
        """Whether a response can start: no process has written an event of it."""
        # spec: resume
        return bool(row.request) and not await self._store.events(row.id, after=-1)

    async def _end_interrupted(self, row: StoredResponse, claim: Claim) -> None:
        """End a response as failed whose process has stopped."""
        record = self._begin(row)
        message = "The server process that was writing this response ended before it was finished."
        await self._give_up(row, claim, upstream_failed(message))
        self._end(record)
        self._claims.pop(row.id, None)

    async def _give_up(self, row: StoredResponse, claim: Claim, error: ApiError) -> None:
        """End a response as failed."""
        record = current()
        record.failed(error)
        record.response_status = "failed"
        await self._store.settle(await self._closed_row(row, status="failed", error=error), fence=claim.fence)
        await self._unlock_conversation(row)

    async def _unlock_conversation(self, row: StoredResponse) -> None:
        """Unlock the conversation of a response that has ended: the process that locked it may have stopped."""
        if row.conversation_id is not None:
            await self._store.unlock_conversation(row.conversation_id, writer=row.id)

    async def _closed_row(
        self, row: StoredResponse, *, status: ResponseStatus, error: ApiError | None
    ) -> StoredResponse:
        """The row of a response that ends now: what its log contains, and the error that ended it."""
        transcript = await read_log(self._store, row.id)
        response = _decode_response(row.body)
        if transcript.state != "new":
            close_open(transcript)
            response = transcript.snapshot()
        response = replace(response, status=status, error=error.response_error() if error else None)
        return ended_row(row, Ending(response, (), {}))


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and bool(task.cancelling())
