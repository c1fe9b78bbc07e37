"""Compaction: the model sums its context up, and goes on from the summary or leaves it to a later turn.

It knows when that is due, what the model is asked, and the two turns one after the other as the deltas of one. What
stands in place of a compacted context, `shown` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
from msgspec.structs import replace

from penstock.errors import invalid, upstream_failed
from penstock.ports import Choice, Deltas, Turn, Upstream
from penstock.transcript.deltas import Compacted, Delta, TextDelta, TextRun, UsageDelta
from penstock.wire import (
    CompactionItem,
    CreateResponse,
    InputItem,
    InputTokensDetails,
    Item,
    Message,
    OutputTokensDetails,
    Usage,
)

from .error_location import Placed
from .estimate import estimate_input, estimate_usage
from .resolve import Context
from .sealing import Compaction, Seal
from .visible_items import expand_compaction, instruction_messages, no_sealing

PROMPT = """\
Your context is about to be compacted: all that stands above will be taken away, and you will go on with nothing but \
what you write now. Write that summary, for yourself. Do not answer the user and do not call any tool.

Say, as far as there is any of it:
- what the user wants, in the user's own words where these matter, and what the user ruled out or prefers;
- what was done and found out so far, with the names, paths, ids, numbers, commands and results that are still needed, \
exactly as they are;
- what was decided, and why; what was tried and failed;
- where things stand at this moment, what the user asked last, and what is to be done next.

Be complete rather than short, but leave out what can no longer matter. Plain text, no preamble."""


class Compacting(msgspec.Struct, kw_only=True):
    """How the context of a turn is compacted."""

    asked: Turn
    """The turn in which the model sums up."""
    leading: list[InputItem]
    """What stands ahead of everything in this turn, and in no other."""
    before: list[InputItem] | None
    after: list[InputItem]
    answers: bool
    """Whether the model then answers, from the summary on."""
    seal: Seal


def plan_compaction(turn: Turn, context: Context, seal: Seal | None) -> Compacting | None:
    """How this turn's context is compacted; None where it is not. Raises `ApiError` 400 where it cannot be."""
    if context.compacts:
        return _asked_for(turn, context, seal)
    threshold = compact_threshold(turn.request)
    if seal is None or threshold is None or estimate_input(turn) <= threshold:
        return None
    leading = context.leading
    past, after = _parted(turn.items[len(leading) :])
    if not past:
        return None
    before = instruction_messages(past, users=False)
    asked = _asking(turn, [*leading, *past])
    return Compacting(asked=asked, leading=leading, before=before, after=after, answers=True, seal=seal)


def compact_threshold(request: CreateResponse) -> int | None:
    """From how many tokens on the request wants its context compacted."""
    if not request.context_management:
        return None
    thresholds = [entry.compact_threshold for entry in request.context_management if entry.type == "compaction"]
    return min((tokens for tokens in thresholds if tokens is not None), default=None)


def _asked_for(turn: Turn, context: Context, seal: Seal | None) -> Compacting:
    if seal is None:
        raise no_sealing("input")
    if not turn.items:
        raise invalid("There is nothing to compact: the context is empty.", "input")
    asked = _asking(turn, turn.items)
    return Compacting(asked=asked, leading=[], before=None, after=[], answers=False, seal=seal)


def _parted(items: Sequence[InputItem]) -> tuple[list[InputItem], list[InputItem]]:
    """What went on, and the messages behind it that the model has not answered yet."""
    end = len(items)
    while end and instruction_messages(items[end - 1 : end], users=True):
        end -= 1
    return list(items[:end]), list(items[end:])


def _asking(turn: Turn, items: Sequence[InputItem]) -> Turn:
    """The turn in which the model is asked for the summary. How it shall answer the user has no meaning there."""
    request = turn.request
    asked = CreateResponse(
        instructions=request.instructions,
        reasoning=request.reasoning,
        service_tier=request.service_tier,
        safety_identifier=request.safety_identifier,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention,
        user=request.user,
    )
    items = [*items, Message(role="user", content=PROMPT)]
    return replace(turn, request=asked, items=items, offers=(), choice=Choice())


async def open_turn(upstream: Upstream, turn: Turn, compacting: Compacting | None) -> Deltas:
    """Begin a turn, with the compaction of its context if there is one. Raises `ApiError`."""
    first = turn if compacting is None else compacting.asked
    with Placed(first.items, turn.request):
        deltas = await upstream.open(first)
    return deltas if compacting is None else CompactingDeltas(upstream, turn, compacting, deltas)


def estimate_turn(turn: Turn, compacting: Compacting | None, output: Sequence[Item]) -> Usage:
    """What a turn has cost, with the compaction of its context if there was one."""
    if compacting is None:
        return estimate_usage(turn, output)
    item, answer = (output[0], output[1:]) if output else (None, ())
    compaction = compacting.seal.open_compaction(item.encrypted_content) if isinstance(item, CompactionItem) else None
    if compaction is None:  # it came to nothing
        return estimate_usage(compacting.asked, ())
    usage = _summary_usage(compacting, compaction.summary)
    if not compacting.answers:
        return usage
    return _sum(usage, estimate_usage(_answering(turn, compacting, compaction), answer))


def _summary_usage(compacting: Compacting, summary: str) -> Usage:
    return estimate_usage(compacting.asked, [Message(role="assistant", content=summary)])


def _answering(turn: Turn, compacting: Compacting, compaction: Compaction) -> Turn:
    """The turn in which the model answers, from the summary on."""
    return replace(turn, items=[*compacting.leading, *expand_compaction(compaction)])


class CompactingDeltas:
    """A turn whose context is compacted first: one delta tells the compaction, then those of the answer follow."""

    def __init__(self, upstream: Upstream, turn: Turn, compacting: Compacting, asked: Deltas) -> None:
        self._upstream = upstream
        self._turn = turn
        self._compacting = compacting
        self._deltas = asked
        self._batches = aiter(asked)
        self._is_summed_up = False
        self._pieces: list[str] = []
        self._chars_left = compacting.seal.chars_max
        self._usage: Usage | None = None
        self._opening: asyncio.Task[Deltas] | None = None

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The next batch; an empty one for each piece of the summary, which nobody is told."""
        if self._opening is not None:
            await self._accepted(self._opening)
        if self._is_summed_up:
            return [self._with_usage(delta) for delta in await anext(self._batches)]
        try:
            batch = await anext(self._batches)
        except StopAsyncIteration:
            return await self._summed_up()
        for delta in batch:
            self._listen(delta)
        return []

    async def aclose(self) -> None:
        """End whichever call goes on."""
        opening, self._opening = self._opening, None
        if opening is not None and not opening.cancel() and not opening.cancelled() and opening.exception() is None:
            await opening.result().aclose()
        await self._deltas.aclose()

    def _listen(self, delta: Delta) -> None:
        """Thoughts about the summary are no part of it."""
        if isinstance(delta, TextDelta):
            self._add(delta.text)
        elif isinstance(delta, TextRun):
            self._add("".join(delta.texts))
        elif isinstance(delta, UsageDelta):
            self._usage = delta.usage

    def _add(self, text: str) -> None:
        self._chars_left -= len(text)
        if self._chars_left < 0:
            raise upstream_failed("The model's summary of the context has no end.", retriable=False)
        self._pieces.append(text)

    async def _summed_up(self) -> list[Delta]:
        """The summary is whole. Where the call is cancelled while it closes, the next one comes here again."""
        await self._deltas.aclose()
        summary = "".join(self._pieces).strip()
        if not summary:
            raise upstream_failed("The model gave no summary of the context, so that it cannot be compacted.")
        how = self._compacting
        compaction = Compaction(summary=summary, before=how.before, after=how.after)
        self._usage = self._usage or _summary_usage(how, summary)
        told: list[Delta] = [Compacted(how.seal.compaction(compaction))]
        self._is_summed_up = True
        if how.answers:
            turn = _answering(self._turn, how, compaction)
            self._opening = asyncio.ensure_future(self._upstream.open(turn))
        else:
            told.append(UsageDelta(self._usage))
        return told

    async def _accepted(self, opening: asyncio.Task[Deltas]) -> None:
        """Wait for the answer to begin. The wait may be cancelled and taken up again, and the call goes on."""
        await asyncio.wait({opening})
        self._opening = None
        self._deltas = opening.result()
        self._batches = aiter(self._deltas)

    def _with_usage(self, delta: Delta) -> Delta:
        """The answer's usage with the summary's: the response has cost both."""
        if isinstance(delta, UsageDelta) and self._usage is not None:
            return UsageDelta(_sum(self._usage, delta.usage))
        return delta


def _sum(one: Usage, other: Usage) -> Usage:
    cached = one.input_tokens_details.cached_tokens + other.input_tokens_details.cached_tokens
    written = one.input_tokens_details.cache_write_tokens + other.input_tokens_details.cache_write_tokens
    thought = one.output_tokens_details.reasoning_tokens + other.output_tokens_details.reasoning_tokens
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=cached, cache_write_tokens=written),
        output_tokens=one.output_tokens + other.output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=thought),
        total_tokens=one.total_tokens + other.total_tokens,
        estimated=one.estimated or other.estimated,
    )
