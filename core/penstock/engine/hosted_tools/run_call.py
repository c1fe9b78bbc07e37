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
from penstock.wire import ContentPart, InputImage, InputText, OutputText

from .merging import Emit, Step
from .registry import HostedTools
from .turn_calls import HostedCall, TurnCalls

_log = logging.getLogger("penstock.tools")
_NO_OUTCOME = "The tool failed because of an internal error."
_NO_MORE_IMAGES = "[an image is left out: the images of this response are too large]"


def opening(session: ToolSession, limits: Limits) -> Step:
    """The step that opens a session."""

    async def step(emit: Emit) -> None:
        async with aclosing(session.open()) as deltas:
            async for delta in deltas:
                await emit(_closed(delta, limits) if isinstance(delta, Outcome) else [delta])

    return step


class CallRunner:
    """Runs the calls of one response."""

    def __init__(self, tools: HostedTools, owner: str, limits: Limits, cite: Cite) -> None:
        self._slots = tools.slots
        self._owner = owner
        self._limits = limits
        self._cite = cite
        self._images_left = limits.tool_images_bytes_max

    def step(self, hosted: HostedCall, calls: TurnCalls) -> Step:
        """The step that runs a call, and gives it exactly one outcome."""

        async def step(emit: Emit) -> None:
            assert hosted.call is not None
            begun_s = time.monotonic()
            outcome = await self._outcome_of(hosted, hosted.call, calls, emit)
            # spec: hosted-calls
            await emit(calls.ended(hosted, outcome))  # outside of the time of the call: a slow client loses none
            _note(hosted, time.monotonic() - begun_s)

        return step

    async def _outcome_of(self, hosted: HostedCall, call: ToolCall, calls: TurnCalls, emit: Emit) -> Outcome:
        """Run the call. Returns its outcome, with a reply within the limits."""
        message = _NO_OUTCOME
        try:
            async with asyncio.timeout(self._limits.tool_call_s), self._slots.use(self._owner):
                outcome = await _run(hosted, call.run(self._cite), calls, emit)
            if outcome is not None:
                return replace(outcome, reply=self._bounded(outcome.reply))
        except TimeoutError:
            message = f"The call took longer than {self._limits.tool_call_s:g} s."
        except Exception as error:
            _log.error("a call of the hosted function '%s' failed by a bug", hosted.name, exc_info=error)
            untraced(error)
        return call.failed(message)

    def _bounded(self, reply: ToolReply) -> ToolReply:
        """A reply within the limit of its text, and with images within that of the response."""
        reply = cut_reply(reply, self._limits.tool_reply_bytes_max)
        if isinstance(reply, str):
            return reply
        return [self._image(part) if isinstance(part, InputImage) else part for part in reply]

    def _image(self, image: InputImage) -> ContentPart:
        # spec: memory
        self._images_left -= len(image.image_url or "")
        return image if self._images_left >= 0 else InputText(text=_NO_MORE_IMAGES)


async def _run(
    hosted: HostedCall, run: AsyncGenerator[ItemDelta | Outcome], calls: TurnCalls, emit: Emit
) -> Outcome | None:
    """The outcome at the end of a run, whose steps are handed on. None where it has none."""
    async with aclosing(run):
        async for delta in run:
            if isinstance(delta, Outcome):
                return delta
            await emit(calls.step(hosted, delta))
    return None


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
