"""Step 4: the run: makes one response's transcript from the upstream's deltas, whatever happens.

It knows the order: open, begin, receive, end or fail, and always close. It never makes an event (the reducer does) and
never sends one (the responders do).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from penstock.engine.context.compaction import estimate_turn
from penstock.engine.context.fitting import open_fitted
from penstock.engine.hosted_tools.loop import ToolLoop
from penstock.engine.planning.plan import Plan
from penstock.engine.upstreams.local import WholeDeltas
from penstock.errors import ApiError, internal_error, out_of_time, untraced
from penstock.ids import NewId, Now
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.ports import Deltas, DirectSource, Outlet
from penstock.telemetry import current
from penstock.text_runs import Recorded, one_by_one
from penstock.transcript import Reducer, Transcript
from penstock.transcript.deltas import Delta
from penstock.wire import Event, LifecycleEvent, OutputItem, Response, Usage

from .deadlines import ClientLeft, Deadlines, OutOfTime, request_ends, server_stops
from .opening import Opening
from .persistence import Ending, ResponseSaver
from .request_deadline import RequestDeadline

T = TypeVar("T")
View: TypeAlias = Callable[[list[Recorded]], T]

_log = logging.getLogger("penstock.run")


class Run:
    """One response in progress. First call `open`, then read `events` to the end."""

    error: ApiError | None = None
    """The error by which the response failed, if it did."""
    _saved: Ending | None = None
    _is_whole = False
    """Whether no one reads its events, so that it is recorded in few steps."""
    _is_read = False
    """Whether the upstream's answer has been read to its end."""
    _has_client_left = False
    _final: Response | None = None
    """The Response of the terminal event, once that is recorded."""
    _opening: Opening[tuple[Plan, Deltas]] | None = None
    _deltas: Deltas | None = None
    _outlet: Outlet[list[Recorded]] | None = None
    """Where events can go while `batches` waits for the upstream."""
    _loop: ToolLoop | None = None
    """The loop over several turns, for a response with hosted tools."""

    def __init__(
        self,
        plan: Plan,
        limits: Limits,
        *,
        new_id: NewId,
        now_s: Now,
        disconnected: Callable[[], Awaitable[None]] | None = None,
        saver: ResponseSaver | None = None,
        deadline: RequestDeadline | None = None,
    ) -> None:
        streams = self.is_stream = plan.stream
        """Whether its events are read."""
        self.plan = plan
        self._record = current()
        self._is_waited_for = streams
        """Whether it is a stream, and the model's first event has not been recorded yet."""
        self._saver = saver
        self._limits = limits
        self._transcript = Transcript()
        self._reducer = Reducer(
            self._transcript,
            forms=plan.forms,
            limits=limits,
            new_id=new_id,
            now_s=now_s,
            summarize=plan.summarize,
            report_usage=plan.report_usage,
            seal=plan.seal.thoughts if plan.seal else None,
            seal_extras=plan.extras_seal.thoughts if plan.extras_seal else None,
        )
        self._deadlines = Deadlines(
            limits,
            heartbeats=streams,
            idle=streams,
            disconnected=disconnected,
            request=deadline,
            late=request_ends if streams else out_of_time,
            sent_at=self._record.sent_at,
        )

    @property
    def response(self) -> Response:
        """The current Response."""
        return self._final or self._transcript.snapshot()

    @property
    def body(self) -> bytes:
        """The current Response as JSON; after its end was saved, the saved bytes."""
        return self._saved.body if self._saved is not None else encode(self.response)

    @property
    def is_ended(self) -> bool:
        """Whether its terminal event was recorded, saved or not."""
        return self._final is not None

    @property
    def has_failed(self) -> bool:
        """Whether its terminal event is `response.failed`."""
        return self._final is not None and self._final.status == "failed"

    async def open(self) -> None:
        """Wait until the upstream accepts. Raises `ApiError`: until then an error is an HTTP status.

        A stream waits only `head_wait_s` seconds, so that its client soon receives the first event. A background
        response does not wait: no client is there to receive a status.
        """
        self._record.runs()
        try:
            if self.is_stream:
                self._opening = Opening(self._open)
                if not self.plan.skeleton.background:
                    await self._accepted(self._limits.head_wait_s)
            else:
                accepted = await self._deadlines.wait(self._open())
                assert accepted is not None  # only a stream has heartbeats, at which a wait pauses
                self._accept(accepted)
        except BaseException as error:
            await self.aclose()
            if isinstance(error, OutOfTime):
                raise error.error from None
            raise

    def _open(self) -> Awaitable[tuple[Plan, Deltas]]:
        """Open the upstream's turn, or the loop over all turns of a response with hosted tools."""
        hosted = self.plan.hosted
        if hosted is None:
            return open_fitted(self.plan, self._limits)
        self._loop = ToolLoop(self.plan, hosted, self._limits, partial(_output, self._transcript, self._reducer))
        return self._loop.open()

    def events(self) -> AsyncGenerator[list[Event]]:
        """The events, in batches as they come; an empty batch means that a heartbeat is due.

        Call either this or `finish`.
        """
        return self.batches(one_by_one, one_by_one)

    def send_to(self, outlet: Outlet[list[Recorded]]) -> None:
        """Send events to this outlet at once, where the upstream's deltas come while `batches` waits for them."""
        self._outlet = outlet

    async def batches(self, view: View[T], last_view: View[T]) -> AsyncGenerator[T]:
        """Like `events`, with runs in the batches: each batch as `view` makes it, the last one as `last_view` does."""
        deadlines, reducer = self._deadlines, self._reducer
        try:
            yield view(self._begun())
            while (deltas := await self._accepted()) is None:
                yield view([])
            read = self._read(deltas)
            events: list[Recorded] = []
            while True:
                deadlines.begin(sent=bool(events))
                try:
                    batch = await read()
                except StopAsyncIteration:
                    break
                except asyncio.CancelledError:
                    deadlines.interrupted()
                    batch = None
                finally:
                    deadlines.end()
                reducer.receive_all(batch or ())
                events = self._new_events()
                if events or batch is None:
                    yield view(events)
            await self._save_end(self._reducer.ending(self._estimate))
        except Exception as error:
            await self._end_by(error)
        finally:
            await self.aclose()
        self._record.lacks_terminal = not self.is_ended and not self._has_client_left
        if self.is_ended:
            yield last_view(self._new_events())

    def _read(self, deltas: Deltas) -> Callable[[], Awaitable[list[Delta]]]:
        """The function that reads a batch. While it waits, events go to the outlet, if there is one."""
        if self._outlet is not None and isinstance(deltas, DirectSource):
            deltas.send_to(Outlet(self._outlet.is_ready, self._receive_now))
        return aiter(deltas).__anext__

    def _receive_now(self, batch: list[Delta]) -> None:
        """Receive deltas while `batches` waits for them, and send their events."""
        assert self._outlet is not None
        self._reducer.receive_all(batch)
        events = self._new_events()
        if events:
            self._outlet.send(events)
        self._deadlines.progress(sent=bool(events))

    async def finish(self) -> None:
        """Go on to the final `response`, of a run that is not a stream, or until the client disconnects."""
        try:
            # spec: whole-replies
            self._is_whole = True
            self._reducer.begin_whole(self.plan.skeleton)
            if isinstance(self._deltas, WholeDeltas):
                self._reducer.receive_all(self._deltas.take())
            else:
                await self._deadlines.wait(self._receive_all())
            ending = self._reducer.ending(self._estimate)
            if self._saver is None:
                self._record_end(ending)
            else:
                await self._save_end(ending)
        except Exception as error:
            await self._end_by(error)
        finally:
            await self.aclose()

    async def _receive_all(self) -> None:
        """Receive all deltas. The events are discarded: no one reads them."""
        assert self._deltas is not None
        async for batch in self._deltas:
            self._reducer.receive_all(batch)
            self._transcript.take_runs()

    def end_early(self) -> None:
        """The server must stop: the response ends as `incomplete` with its output so far."""
        self._deadlines.stop(server_stops)

    def fail(self, error: Callable[[], ApiError]) -> None:
        """The response fails with this error, in place of the next delta."""
        self._deadlines.stop(error)

    @property
    def is_over(self) -> bool:
        """Whether it ends at the next delta: its client has left, or the server must stop."""
        return self._deadlines.are_over

    def stop(self) -> None:
        """Stop the run; `events` ends without a terminal event, since the response has ended elsewhere."""
        self._deadlines.stop(ClientLeft)

    async def aclose(self) -> None:
        """Close the upstream's call, if it is open."""
        self._deadlines.close()
        opening, self._opening = self._opening, None
        if opening is not None and (accepted := opening.cancel()) is not None:
            self._accept(accepted)
        deltas, self._deltas = self._deltas, None
        if deltas is not None and not isinstance(deltas, WholeDeltas):
            # spec: leaving
            await deltas.aclose()
        saver, self._saver = self._saver, None
        if saver is not None:
            await saver.close()
        self._note_end()

    def _note_end(self) -> None:
        """Record how the response ended; if it has begun and not ended, its client has disconnected."""
        self._is_waited_for = False
        record, response = self._record, self._final
        if response is None:
            if self._transcript.state != "new":
                record.response_id = self.plan.skeleton.id
                record.response_status, record.is_cut = "cancelled", True
            return
        record.response_id = response.id
        record.is_cut = False
        record.response_status = response.status
        if response.status != "completed":
            record.response_reason = _reason(response)
        if response.usage is not None:
            record.used(response.usage)

    async def _accepted(self, within_s: float | None = None) -> Deltas | None:
        """The upstream's deltas, once it has accepted; None if `within_s` or a heartbeat is over before that."""
        opening = self._opening
        if opening is not None:
            await self._deadlines.wait(opening.wait(within_s))
            if opening.is_over:
                self._opening = None
                self._accept(opening.result())
        return self._deltas

    def _accept(self, accepted: tuple[Plan, Deltas]) -> None:
        """The upstream has accepted the plan, or a shorter one that was made of it."""
        self.plan, self._deltas = accepted
        if left_out := self._record.left_out:
            self.plan = replace(self.plan, ignored=[*self.plan.ignored, *left_out])
        self._record.ignored = self.plan.ignored

    def _begun(self) -> list[Recorded]:
        """The events before the model's first one."""
        self._reducer.begin(self.plan.skeleton)
        self._deadlines.sent()
        return self._transcript.take_runs()

    def _new_events(self) -> list[Recorded]:
        """The new events. If there are none, nothing is sent, so that a heartbeat can become due."""
        events = self._transcript.take_runs()
        if events and self._is_waited_for:
            self._is_waited_for = False
            self._record.first_event()
        return events

    async def _end_by(self, error: Exception) -> None:
        """End the response by an error. If the client has disconnected, the response has no end."""
        if isinstance(error, ClientLeft):
            self._has_client_left = True
            return
        # spec: one-end
        ending = self._failure(error)
        untraced(error)
        await self._save_end_if_possible(ending)

    async def _save_end(self, ending: LifecycleEvent) -> None:
        """Save the Response, then record its end: no client sees an end that is not saved. Raises `ApiError`."""
        self._is_read = True
        if self._saver is not None:
            saved = Ending(ending.response, self._transcript.fresh, self._reducer.returned())
            # spec: stored-before-sent
            await self._saver.save(saved)
            self._saved = saved
        self._record_end(ending)

    async def _save_end_if_possible(self, ending: LifecycleEvent) -> None:
        """Save an end that is not a success; the client receives it in any case."""
        try:
            await self._save_end(ending)
        except Exception as error:
            is_known = isinstance(error, ApiError)  # the store has logged why
            reason = f": {error}" if is_known else ""
            _log.error("the end of response %s is not stored%s", self.plan.skeleton.id, reason, exc_info=not is_known)
            untraced(error)
            self._record_end(ending)

    def _record_end(self, ending: LifecycleEvent) -> None:
        if self._is_whole:
            self._transcript.record_end(ending)
        else:
            self._transcript.record(ending)
        self._final = ending.response

    def _estimate(self, response: Response) -> Usage:
        """The estimated usage of the turn, if the upstream does not report it."""
        if self._loop is not None:
            return self._loop.estimate(response.output)
        return estimate_turn(self.plan.turn, self.plan.compacting, response.output)

    def _failure(self, error: Exception) -> LifecycleEvent:
        """The terminal event for an error. Another exception than `ApiError` is a bug; only the log has its details."""
        if isinstance(error, OutOfTime):
            # spec: drained-in-order
            return self._reducer.ending(self._estimate, is_cut=True)
        if not isinstance(error, ApiError):
            _log.error("response %s failed because of an internal error", self.plan.skeleton.id, exc_info=error)
            error = internal_error()
        elif self._deltas is not None and not self._is_read:
            self._record.upstream_failed("upstream")
        self.error = error
        self._record.failed(error, by_upstream=True)
        try:
            # spec: late-errors
            return self._reducer.failure(error)
        except Exception:  # after a bug the transcript may be in any state
            _log.exception("response %s could not be closed in order", self.plan.skeleton.id)
            self._reducer.abandon()
            return self._reducer.failure(error)


def _output(transcript: Transcript, reducer: Reducer) -> list[OutputItem]:
    """The output items so far, with what they carry for later turns."""
    return Ending(transcript.snapshot(), (), reducer.returned()).output()


def _reason(response: Response) -> str:
    """Why a response is incomplete, or the code of its error. Empty where it is complete."""
    if response.error is not None:
        return response.error.code
    details = response.incomplete_details
    return details.reason or "" if details is not None else ""
