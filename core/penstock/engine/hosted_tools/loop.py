"""The loop over the turns of a response with hosted tools: the model writes, its calls are run, and it goes on.

To its run it is one stream of deltas, as that of an upstream is. The run records each batch before it asks for the
next one, so that the items of a turn are complete when the next turn is made of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec.structs import replace

from penstock.engine.context.compaction import Compacting, estimate_turn, sum_usage
from penstock.engine.context.fitting import open_fitted
from penstock.engine.context.visible_items import expand_compaction
from penstock.engine.planning.plan import Plan
from penstock.ids import new_id
from penstock.limits import Limits
from penstock.ports import Deltas, ToolSession
from penstock.returned import in_mid_turn
from penstock.transcript.deltas import Delta, Finish, TurnEnded, UsageDelta
from penstock.wire import CompactionItem, InputItem, OutputItem, Usage

from .choice import TurnOffer, first_offer, later_offer
from .cited_text import CitedText
from .functions import HostedFunctions
from .merging import Merging, Step
from .plan import HostedPlan
from .run_call import CallRunner, opening
from .turn_calls import TurnCalls

ReadOutput = Callable[[], Sequence[OutputItem]]
"""The output items so far, with what they carry for later turns."""

_CLOSE_S = 2.0
"""How long the sessions of a response may take to close."""
_TOO_MANY = "This call was not run: the limit of tool calls of this response is reached. Answer with what you have."

_log = logging.getLogger("penstock.tools")


class ToolLoop:
    """The deltas of all turns of one response."""

    def __init__(self, plan: Plan, hosted: HostedPlan, limits: Limits, output: ReadOutput) -> None:
        self._plan = plan
        self._limits = limits
        self._output = output
        self._sessions = hosted.sessions
        self._asked = plan.turn.request.tool_choice
        self._client_offers = plan.turn.offers
        request = plan.turn.request
        asked_max = request.max_tool_calls
        calls_max = limits.tool_calls_max if asked_max is None else min(asked_max, limits.tool_calls_max)
        self._functions = HostedFunctions(calls_max)
        self._items: list[InputItem] = list(plan.turn.items)
        """The items of the next turn."""
        self._read_count = 0
        """How many output items of the response are in `items`."""
        self._usage: Usage | None = None
        self._rounds = 0
        self._text = CitedText(plan.turn.items, request.text.format if request.text else None)
        self._runner = CallRunner(hosted.tools, plan.turn.client, limits, self._text.cite)
        self._turn = plan
        """The plan of the current turn, as its upstream has accepted it."""
        self._deltas: Deltas | None = None
        self._opening: asyncio.Task[None] | None = None
        self._merging: Merging | None = None
        self._calls = TurnCalls(self._functions, _TOO_MANY, self._text, self._limits)
        self._state = ToolLoop._list
        """The current state: a method that returns the next batch, and sets the state after it."""

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The next batch. It is empty between two states, and where a tool has sent nothing for a while."""
        return await self._state(self)

    async def open(self) -> tuple[Plan, Deltas]:
        """Open the first turn, unless the tools are to be listed before. Raises `ApiError` where it is refused.

        Returns the plan that was accepted, and the loop.
        """
        try:
            if not any(session.needs_opening or session.approved for session in self._sessions):
                await self._open_first()
        except BaseException:
            await self.aclose()
            raise
        return self._plan, self

    async def aclose(self) -> None:
        """End what goes on: the calls, the turn and the sessions."""
        self._state = ToolLoop._stop
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        if self._merging is not None:
            await self._merging.aclose()
        await self._close_turn()
        sessions, self._sessions = self._sessions, ()
        if sessions:
            await _close_all(sessions)

    async def _list(self) -> list[Delta]:
        """The sessions that need it are opened."""
        if self._merging is None:
            sessions = [session for session in self._sessions if session.needs_opening]
            self._merge([opening(session, self._limits) for session in sessions], len(sessions))
        batch = await self._merged()
        if batch is not None:
            return batch
        begun: list[Delta] = []
        for session in self._sessions:
            for call in session.approved:
                begun += self._calls.add_approved(call if self._functions.take_call() else None)
        self._merge_calls()
        self._state = ToolLoop._run_approved
        return begun

    async def _run_approved(self) -> list[Delta]:
        """The calls run that the client has approved."""
        batch = await self._merged()
        if batch is not None:
            return batch
        if self._calls.waits or any(session.waits for session in self._sessions):  # something is to be approved again
            self._state = ToolLoop._stop
            return [UsageDelta(Usage(input_tokens=0, output_tokens=0, total_tokens=0)), Finish()]  # of no turn
        self._add_output()
        self._opening = asyncio.ensure_future(self._open_first())
        self._state = ToolLoop._open_turn
        return []

    async def _open_turn(self) -> list[Delta]:
        """A turn is opened."""
        assert self._opening is not None
        await asyncio.wait({self._opening})
        opening, self._opening = self._opening, None
        opening.result()
        return []

    async def _read(self) -> list[Delta]:
        """The model writes."""
        try:
            return self._calls.receive(await self._read_turn())
        except StopAsyncIteration:
            await self._close_turn()
        calls = self._calls
        if calls.is_last:
            return self._ending()
        begun = calls.close()
        self._merge_calls()
        self._state = ToolLoop._run_calls
        return begun

    async def _run_calls(self) -> list[Delta]:
        """The calls of the turn run."""
        batch = await self._merged()
        if batch is not None:
            return batch
        if self._calls.waits or self._calls.has_client_calls or self._is_over():
            return self._ending()
        self._state = ToolLoop._go_on
        return [TurnEnded()]

    async def _go_on(self) -> list[Delta]:
        """The next turn is made of what the response has by now."""
        self._add_usage(self._calls.usage)
        self._add_output(self._calls.unseen(new_id))
        self._opening = asyncio.ensure_future(self._open_next())
        self._state = ToolLoop._open_turn
        return []

    async def _stop(self) -> list[Delta]:
        """There is no further batch."""
        raise StopAsyncIteration

    def _merge(self, steps: Sequence[Step], parallel_max: int) -> None:
        """Begin steps, whose batches `_merged` returns."""
        self._merging = Merging(steps, parallel_max=parallel_max, pause_s=self._limits.idle_s / 2)

    def _merge_calls(self) -> None:
        """Begin the calls of the turn that are to be run."""
        is_serial = self._plan.turn.request.parallel_tool_calls is False
        parallel_max = 1 if is_serial else self._limits.tool_calls_parallel_max
        hosted = self._calls.hosted.values()
        self._merge([self._runner.step(call, self._calls) for call in hosted if call.runs], parallel_max)

    async def _merged(self) -> list[Delta] | None:
        assert self._merging is not None
        return await self._merging.next()

    def _is_over(self) -> bool:
        """Whether the model has gone on calling although its reply was that the limit is reached."""
        self._rounds += 1
        return self._rounds > self._limits.tool_rounds_max

    def _ending(self) -> list[Delta]:
        """The end of the response. Without a reported usage of the last turn, the run calls `estimate`."""
        self._state = ToolLoop._stop
        calls = self._calls
        ending = [*self._text.close(), *calls.unnamed()]
        if calls.usage is not None:
            ending.append(UsageDelta(self._with_earlier(calls.usage)))
        return ending if calls.has_failed else [*ending, Finish(calls.incomplete)]

    def estimate(self, output: Sequence[OutputItem]) -> Usage:
        """The usage of all turns, where the upstream does not report that of the last one. `output` is complete."""
        return self._with_earlier(self._estimated(output))

    def _estimated(self, output: Sequence[OutputItem]) -> Usage:
        return estimate_turn(self._turn.turn, self._turn.compacting, output[self._read_count :])

    def _with_earlier(self, usage: Usage) -> Usage:
        """The usage of a turn, and that of all turns before it."""
        return usage if self._usage is None else sum_usage(self._usage, usage)

    def _add_usage(self, usage: Usage | None) -> None:
        """Add the usage of a turn that another one follows, estimated where its upstream does not report it."""
        self._usage = self._with_earlier(self._estimated(self._output()) if usage is None else usage)

    async def _open_first(self) -> None:
        """Open the first turn, with the functions of all sessions."""
        self._functions.add(self._sessions, {offer.name for offer in self._client_offers})
        compacting = self._plan.compacting
        if compacting is not None:
            opened = self._items[len(self._plan.turn.items) :]
            compacting = replace(compacting, after=[*compacting.after, *opened])
        offer = first_offer(self._functions.all(), self._asked, self._plan.turn.choice)
        self._plan = await self._open(offer, compacting)

    async def _open_next(self) -> None:
        """Open the turn after a call. When no more calls may be made, the model gets no function of a hosted tool."""
        offer = later_offer(self._functions.all(), self._asked)
        if not self._functions.has_calls_left or self._rounds >= self._limits.tool_rounds_max:
            offer = TurnOffer((), offer.choice)
        await self._open(offer, None)

    async def _open(self, offer: TurnOffer, compacting: Compacting | None) -> Plan:
        """Open a turn. Returns the plan that the upstream has accepted."""
        offers = [*self._client_offers, *(function.definition for function in offer.functions)]
        turn = replace(self._plan.turn, items=self._items, offers=offers, choice=offer.choice, shared=None)
        plan = replace(self._plan, turn=turn, compacting=compacting)
        self._turn, self._deltas = await open_fitted(plan, self._limits)
        self._items = list(self._turn.turn.items)
        self._read_turn = aiter(self._deltas).__anext__
        self._calls = TurnCalls(self._functions, _TOO_MANY, self._text, self._limits)
        self._state = ToolLoop._read
        return self._turn

    def _add_output(self, unseen: Sequence[InputItem] = ()) -> None:
        """Add the new output items to the items of the next turn, and the calls of the same turn that have no item."""
        output = self._output()
        for item in output[self._read_count :]:
            if isinstance(item, CompactionItem):
                self._items = self._compacted(item)
            else:
                self._items.append(item)
        self._read_count = len(output)
        if unseen:
            self._items[-1:] = map(in_mid_turn, self._items[-1:])
            self._items += unseen

    def _compacted(self, item: CompactionItem) -> list[InputItem]:
        """The items that replace all before a compaction of this response."""
        compacting = self._plan.compacting
        compaction = compacting.seal.open_compaction(item.encrypted_content) if compacting is not None else None
        if compacting is None or compaction is None:
            return self._items
        return [*compacting.leading, *expand_compaction(compaction)]

    async def _close_turn(self) -> None:
        if self._deltas is not None:
            await self._deltas.aclose()
            self._deltas = None


async def _close_all(sessions: Sequence[ToolSession]) -> None:
    """Close sessions, within a time."""
    closing = [asyncio.ensure_future(session.aclose()) for session in sessions]
    done, late = await asyncio.wait(closing, timeout=_CLOSE_S)
    for task in late:
        task.cancel()
    for task in done:
        if error := task.exception():
            _log.error("a session of hosted tools was not closed", exc_info=error)
