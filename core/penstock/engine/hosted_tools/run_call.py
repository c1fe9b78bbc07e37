"""Runs one call of a hosted tool, or opens one session, within the limits, whatever the tool does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from penstock.errors import untraced
from penstock.limits import Limits
from penstock.ports import Cite, ItemDelta, Outcome, ToolCall, ToolReply, ToolSession
from penstock.telemetry import current
from penstock.tool_replies import cut
from penstock.transcript.deltas import Delta, ItemClosed
from penstock.wire import ContentPart, InputText, OutputText

from .merging import Emit, Step
from .registry import HostedTools
from .turn_calls import HostedCall, TurnCalls

_log = logging.getLogger("penstock.tools")
_NO_OUTCOME = "The tool failed because of an internal error."


def opening(session: ToolSession, limits: Limits) -> Step:
    """The step that opens a session."""

    async def step(emit: Emit) -> None:
        async with aclosing(session.open()) as deltas:
            async for delta in deltas:
                await emit(_closed(delta, limits) if isinstance(delta, Outcome) else [delta])

    return step


class CallRunner:
    """Runs the calls of one response."""

    def __init__(self, tools: HostedTools, limits: Limits, cite: Cite) -> None:
        self._slots = tools.slots
        self._limits = limits
        self._cite = cite

    def step(self, hosted: HostedCall, calls: TurnCalls) -> Step:
        """The step that runs a call, and gives it exactly one outcome."""

        async def step(emit: Emit) -> None:
            assert hosted.call is not None
            begun_s = time.monotonic()
            message = await self._outcome_of(hosted, hosted.call, calls, emit)
            # spec: hosted-calls
            if hosted.outcome is None:
                await emit(calls.ended(hosted, hosted.call.failed(message)))
            _note(hosted, time.monotonic() - begun_s)

        return step

    async def _outcome_of(self, hosted: HostedCall, call: ToolCall, calls: TurnCalls, emit: Emit) -> str:
        """Run the call. Returns why it has no outcome, where it has none."""
        try:
            async with asyncio.timeout(self._limits.tool_call_s), self._slots:
                await self._run(hosted, call.run(self._cite), calls, emit)
        except TimeoutError:
            return f"The call took longer than {self._limits.tool_call_s:g} s."
        except Exception as error:
            _log.error(
                "a call of the hosted tool '%s' failed because of an internal error", hosted.name, exc_info=error
            )
            untraced(error)
        return _NO_OUTCOME

    async def _run(
        self, hosted: HostedCall, run: AsyncGenerator[ItemDelta | Outcome], calls: TurnCalls, emit: Emit
    ) -> None:
        async with aclosing(run):
            async for delta in run:
                cut = self._cut(delta) if isinstance(delta, Outcome) else delta
                await emit(calls.step(hosted, cut))
                if hosted.outcome is not None:
                    return

    def _cut(self, outcome: Outcome) -> Outcome:
        """The outcome with a reply of at most `tool_reply_bytes_max` bytes of text."""
        return replace(outcome, reply=cut_reply(outcome.reply, self._limits.tool_reply_bytes_max))


def _note(hosted: HostedCall, duration_s: float) -> None:
    """Note the call in the record of the request."""
    item = hosted.outcome.item if hosted.outcome is not None else None
    if item is not None:
        current().tool_ended(item.type, str(getattr(item, "status", "")), duration_s)


def cut_reply(reply: ToolReply, bytes_max: int) -> ToolReply:
    """A reply whose text has at most so many bytes, with a note where it was cut. Parts that are no text stay."""
    if isinstance(reply, str):
        return cut(reply, bytes_max)
    parts: list[ContentPart] = []
    for part in reply:
        if isinstance(part, InputText | OutputText):
            part = replace(part, text=cut(part.text, bytes_max))  # noqa: PLW2901
            bytes_max = max(0, bytes_max - len(part.text.encode(errors="replace")))
        parts.append(part)
    return parts


def _closed(outcome: Outcome, limits: Limits) -> list[Delta]:
    reply = cut_reply(outcome.reply, limits.tool_reply_bytes_max)
    return [] if outcome.item is None else [ItemClosed(outcome.item, reply)]
