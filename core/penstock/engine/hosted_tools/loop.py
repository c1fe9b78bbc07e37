"""The loop over the turns of a response with hosted tools: the model writes, its calls are run, and it goes on.

To its run it is one stream of deltas, as that of an upstream is. The run records each batch before it asks for the
next one, so that the items of a turn are complete when the next turn is made of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from penstock.engine.context.compaction import Compacting, estimate_turn, sum_usage
from penstock.engine.context.fitting import open_fitted
from penstock.engine.context.visible_items import expand_compaction
from penstock.engine.planning.plan import Plan
from penstock.ids import new_id
from penstock.limits import Limits
from penstock.ports import Deltas, HostedFunction, ToolCall, ToolSession
from penstock.returned import in_mid_turn
from penstock.transcript.deltas import Delta, Finish, TurnEnded, UsageDelta
from penstock.wire import CompactionItem, InputItem, OutputItem, Usage

from .choice import TurnOffer, first_offer, later_offer
from .cited_text import CitedText
from .merging import merged
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
        self._functions: dict[str, tuple[ToolSession, HostedFunction]] = {}
        """The functions of hosted tools by name, each with its session."""
        self._items: list[InputItem] = list(plan.turn.items)
        """The items of the next turn."""
        self._read_count = 0
        """How many output items of the response are in `items`."""
        self._usage: Usage | None = None
        self._rounds = 0
        asked_max = plan.turn.request.max_tool_calls
        self._calls_left = limits.tool_calls_max if asked_max is None else min(asked_max, limits.tool_calls_max)
        request = plan.turn.request
        self._text = CitedText(plan.turn.items, request.text.format if request.text else None)
        self._runner = CallRunner(hosted.tools, limits, self._text.cite)
        self._turn = plan
        """The plan of the current turn, as its upstream has accepted it."""
        self._deltas: Deltas | None = None
        self._batches = self._run()
        self._next: asyncio.Task[list[Delta]] | None = None

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The next batch. It is empty where a tool has been silent for a while."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._batches))
        await asyncio.wait({self._next}, timeout=self._limits.idle_s / 2)
        if not self._next.done():
            return []
        step, self._next = self._next, None
        return step.result()

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
        step, self._next = self._next, None
        if step is not None:
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)
        await self._batches.aclose()
        await self._close_turn()
        sessions, self._sessions = self._sessions, ()
        closing = [asyncio.ensure_future(session.aclose()) for session in sessions]
        if closing:
            done, late = await asyncio.wait(closing, timeout=_CLOSE_S)
            for task in late:
                task.cancel()
            for task in done:
                if error := task.exception():
                    _log.error("a session of hosted tools was not closed", exc_info=error)

    async def _run(self) -> AsyncGenerator[list[Delta]]:
        """All batches of the response."""
        if self._deltas is None:
            async with aclosing(self._prepare()) as batches:
                async for batch in batches:
                    yield batch
        while self._deltas is not None:
            calls = self._turn_calls()
            async with aclosing(self._run_turn(calls)) as batches:
                async for batch in batches:
                    yield batch
            if calls.is_last or calls.waits or calls.has_client_calls or self._is_over():
                yield self._ending(calls)
                return
            yield [TurnEnded()]
            self._add_usage(calls.usage)
            self._add_output(calls.unseen(new_id))
            await self._open_next()

    async def _run_turn(self, calls: TurnCalls) -> AsyncGenerator[list[Delta]]:
        """The batches of one turn of the model, and of the calls of hosted tools in it."""
        assert self._deltas is not None
        async for batch in self._deltas:
            yield calls.receive(batch)
        await self._close_turn()
        if not calls.is_last:
            yield calls.close()
            async with aclosing(self._run_calls(calls)) as batches:
                async for batch in batches:
                    yield batch

    async def _prepare(self) -> AsyncGenerator[list[Delta]]:
        """Open the sessions, run the approved calls, and open the first turn."""
        sessions = [session for session in self._sessions if session.needs_opening]
        steps = [opening(session, self._limits) for session in sessions]
        async with aclosing(merged(steps, parallel_max=len(steps))) as batches:
            async for batch in batches:
                yield batch
        calls = self._turn_calls()
        for session in self._sessions:
            for call in session.approved:
                yield calls.add_approved(call if self._take_call() else None)
        async with aclosing(self._run_calls(calls)) as batches:
            async for batch in batches:
                yield batch
        if calls.waits:
            yield [Finish()]
            return
        self._add_output()
        await self._open_first()

    def _run_calls(self, calls: TurnCalls) -> AsyncGenerator[list[Delta]]:
        """Run the calls of hosted tools that are to be run."""
        running = [self._runner.step(call, calls) for call in calls.hosted.values() if call.runs]
        is_serial = self._plan.turn.request.parallel_tool_calls is False
        return merged(running, parallel_max=1 if is_serial else self._limits.tool_calls_parallel_max)

    def _turn_calls(self) -> TurnCalls:
        return TurnCalls(self._functions.keys(), self._begin_call, _TOO_MANY, self._text)

    def _begin_call(self, name: str) -> ToolCall | None:
        """A call of a hosted function, while the response may make one."""
        session, function = self._functions[name]
        return session.call(function) if self._take_call() else None

    def _take_call(self) -> bool:
        """Count one more call, if the response may make one."""
        # spec: max-tool-calls
        if self._calls_left <= 0:
            return False
        self._calls_left -= 1
        return True

    def _is_over(self) -> bool:
        """Whether the model has gone on calling although its reply was that the limit is reached."""
        self._rounds += 1
        return self._rounds > self._limits.tool_rounds_max

    def _ending(self, calls: TurnCalls) -> list[Delta]:
        """The end of the response. Without a reported usage of the last turn, the run calls `estimate`."""
        ending = self._text.close()
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
        own = {offer.name for offer in self._client_offers}
        for session in self._sessions:
            for function in session.functions:
                if function.definition.name not in own:  # a function of the client hides one of the same name
                    self._functions.setdefault(function.definition.name, (session, function))
        compacting = self._plan.compacting
        if compacting is not None:
            opened = self._items[len(self._plan.turn.items) :]
            compacting = replace(compacting, after=[*compacting.after, *opened])
        offer = first_offer(self._all_functions(), self._asked, self._plan.turn.choice)
        self._plan = await self._open(offer, compacting)

    async def _open_next(self) -> None:
        """Open the turn after a call. When no more calls may be made, the model gets no function of a hosted tool."""
        offer = later_offer(self._all_functions(), self._asked)
        if self._calls_left <= 0 or self._rounds >= self._limits.tool_rounds_max:
            offer = TurnOffer((), offer.choice)
        await self._open(offer, None)

    async def _open(self, offer: TurnOffer, compacting: Compacting | None) -> Plan:
        """Open a turn. Returns the plan that the upstream has accepted."""
        offers = [*self._client_offers, *(function.definition for function in offer.functions)]
        turn = replace(self._plan.turn, items=self._items, offers=offers, choice=offer.choice)
        plan = replace(self._plan, turn=turn, compacting=compacting)
        self._turn, self._deltas = await open_fitted(plan, self._limits)
        self._items = list(self._turn.turn.items)
        return self._turn

    def _all_functions(self) -> list[HostedFunction]:
        return [function for _, function in self._functions.values()]

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
        deltas, self._deltas = self._deltas, None
        if deltas is not None:
            await deltas.aclose()
