"""Step 4: the run: deltas of the upstream into events of one transcript, whatever happens.

It owns the order of things: open, begin, tell, end or fail, and always close. It never makes an event (the reducer
does) and never writes one to anybody (the readers do).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeAlias, TypeVar

from penstock.engine.context.compaction import estimate_turn
from penstock.engine.context.fitting import open_fitted
from penstock.engine.planning.plan import Plan
from penstock.errors import ApiError, our_fault, stopping, untraced
from penstock.ids import NewId, Now
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.ports import Deltas
from penstock.telemetry import current
from penstock.text_runs import Recorded, one_by_one
from penstock.transcript import Reducer, Transcript
from penstock.wire import Event, LifecycleEvent, Response, Usage

from .deadlines import ClientLeft, Deadlines, OutOfTime
from .persistence import Ending, Keeper

T = TypeVar("T")
View: TypeAlias = Callable[[list[Recorded]], T]

_log = logging.getLogger("penstock.run")


class Run:
    """One response being made. First `open`, then `events` to its end."""

    def __init__(
        self,
        plan: Plan,
        limits: Limits,
        *,
        new_id: NewId,
        now_s: Now,
        disconnected: Callable[[], Awaitable[None]] | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.plan = plan
        self._record = current()
        self._is_waited_for = plan.stream
        """Whether the first event of the model's answer is still to come, of a stream."""
        self._keeper = keeper
        self._kept: Ending | None = None
        self.error: ApiError | None = None
        """Why the response failed, if it did."""
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
        self._watch = Deadlines(limits, heartbeats=plan.stream, idle=plan.stream, disconnected=disconnected)
        self._opening: asyncio.Task[Deltas] | None = None
        self._deltas: Deltas | None = None

    @property
    def response(self) -> Response:
        """The Response as it is now."""
        return self._transcript.snapshot()

    @property
    def body(self) -> bytes:
        """The Response as it is now, as JSON; where its end is kept, as it was encoded for that."""
        return self._kept.body if self._kept is not None else encode(self.response)

    @property
    def is_ended(self) -> bool:
        """Whether its terminal event was recorded, kept or not."""
        return self._transcript.is_ended

    @property
    def has_failed(self) -> bool:
        """Whether its terminal event says that it failed."""
        return self.is_ended and self.response.status == "failed"

    async def open(self) -> None:
        """Wait until the upstream accepts. Raises `ApiError`: until here an error is an HTTP status.

        A stream does not wait for long: an upstream that thinks before it answers would leave the client in silence.
        A background response does not wait at all: nobody is there to see a status.
        """
        accepted = open_fitted(self.plan, self._limits)
        try:
            if self.plan.stream:
                self._opening = asyncio.ensure_future(accepted)
                if not self.plan.skeleton.background:
                    await self._accepted(self._limits.head_wait_s)
            else:
                self._deltas = await self._watch.wait(accepted)
        except BaseException as error:
            await self.aclose()
            if isinstance(error, OutOfTime):
                raise stopping() from None
            raise

    def events(self) -> AsyncGenerator[list[Event]]:
        """The events, in batches as they come; an empty batch means that a heartbeat is due.

        Either they are read, or `finish` is awaited.
        """
        return self.batches(one_by_one, one_by_one)

    async def batches(self, view: View[T], last_view: View[T]) -> AsyncGenerator[T]:
        """The same with runs in the batches, each batch as the view shows it, and the last one as `last_view` does."""
        watch, reducer = self._watch, self._reducer
        try:
            yield view(self._begun())
            while (deltas := await self._accepted()) is None:
                yield view([])
            read = aiter(deltas).__anext__
            events: list[Recorded] = []
            while True:
                watch.begin(sent=bool(events))
                try:
                    batch = await read()
                except StopAsyncIteration:
                    break
                except asyncio.CancelledError:
                    watch.interrupted()
                    batch = None
                finally:
                    watch.end()
                reducer.receive_all(batch or ())
                events = self._taken()
                if events or batch is None:
                    yield view(events)
            await self._keep(self._reducer.ending(self._estimate))
        except Exception as error:
            await self._end_by(error)
        finally:
            await self.aclose()
        if self.is_ended:
            yield last_view(self._taken())

    async def finish(self) -> Response:
        """The Response at its end, of a run that has no stream; where the client has left, as it is then."""
        try:
            self._reducer.begin(self.plan.skeleton, in_events=False)
            await self._watch.wait(self._receive_all())
            await self._keep(self._reducer.ending(self._estimate))
        except Exception as error:
            await self._end_by(error)
        finally:
            await self.aclose()
        return self.response

    async def _receive_all(self) -> None:
        """Receive all that the upstream says. What events there are, no reader wants."""
        assert self._deltas is not None
        async for batch in self._deltas:
            self._reducer.receive_all(batch)
            self._transcript.take_runs()

    def end_early(self) -> None:
        """The server has to stop: the response ends `incomplete` with what there is of it."""
        self._watch.stop(OutOfTime)

    def stop(self) -> None:
        """End the run where it is; `events` ends without a terminal event, since somebody else has ended it."""
        self._watch.stop(ClientLeft)

    async def aclose(self) -> None:
        """End the upstream's call, if it has not ended."""
        self._watch.close()
        opening, self._opening = self._opening, None
        if opening is not None and not opening.cancel() and not opening.cancelled() and opening.exception() is None:
            self._deltas = opening.result()
        deltas, self._deltas = self._deltas, None
        if deltas is not None:
            await deltas.aclose()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.close()
        self._note_end()

    def _note_end(self) -> None:
        """Note how the response ended; where it has begun and has no end, its client has left."""
        self._is_waited_for = False
        if self._transcript.state == "new":
            return
        record = self._record
        record.response_id = self.plan.skeleton.id
        record.is_cut = not self.is_ended
        if record.is_cut:
            record.response_status = "cancelled"
            return
        response = self.response
        record.response_status = response.status
        if response.usage is not None:
            record.input_tokens, record.output_tokens = response.usage.input_tokens, response.usage.output_tokens

    async def _accepted(self, within_s: float | None = None) -> Deltas | None:
        """What the upstream says, once it has accepted; None where time is up, or a heartbeat due, before that."""
        if self._opening is not None:
            await self._watch.wait(asyncio.wait({self._opening}, timeout=within_s))
            if self._opening.done():
                self._deltas, self._opening = self._opening.result(), None
        return self._deltas

    def _begun(self) -> list[Recorded]:
        """The events before the model's first one."""
        self._reducer.begin(self.plan.skeleton)
        self._watch.sent()
        return self._transcript.take_runs()

    def _taken(self) -> list[Recorded]:
        """What is new. Where nothing is, nothing is sent: a heartbeat may be due all the same."""
        events = self._transcript.take_runs()
        if events and self._is_waited_for:
            self._is_waited_for = False
            self._record.first_event()
        return events

    async def _end_by(self, error: Exception) -> None:
        """End the response by an error. One whose client has left gets no end."""
        if isinstance(error, ClientLeft):
            return
        ending = self._failure(error)
        untraced(error)
        await self._keep_if_possible(ending)

    async def _keep(self, ending: LifecycleEvent) -> None:
        """Keep the Response, then record its end: nobody sees an end that is not kept. Raises `ApiError`."""
        if self._keeper is not None:
            kept = Ending(ending.response, self._transcript.fresh, self._reducer.returned())
            await self._keeper.keep(kept)
            self._kept = kept
        self._transcript.record(ending)

    async def _keep_if_possible(self, ending: LifecycleEvent) -> None:
        """Keep an end that is no success; the client is told of it in any case."""
        try:
            await self._keep(ending)
        except Exception as error:
            is_known = isinstance(error, ApiError)  # the store has logged why
            said = f": {error}" if is_known else ""
            _log.error("the end of response %s is not stored%s", self.plan.skeleton.id, said, exc_info=not is_known)
            untraced(error)
            self._transcript.record(ending)

    def _estimate(self, response: Response) -> Usage:
        """What the turn cost, where the upstream does not say."""
        return estimate_turn(self.plan.turn, self.plan.compacting, response.output)

    def _failure(self, error: Exception) -> LifecycleEvent:
        """The end by an error. What is no `ApiError` is a bug of ours, which only the log tells."""
        if isinstance(error, OutOfTime):
            return self._reducer.ending(self._estimate, is_cut=True)
        if not isinstance(error, ApiError):
            _log.error("response %s failed by a fault of this server", self.plan.skeleton.id, exc_info=error)
            error = our_fault()
        self.error = error
        self._record.failed(error, by_upstream=True)
        try:
            return self._reducer.failure(error)
        except Exception:  # a bug has left the transcript in a state of its own
            _log.exception("response %s could not be closed in order", self.plan.skeleton.id)
            self._reducer.abandon()
            return self._reducer.failure(error)
