"""Compaction: the model summarizes its context, and then answers from the summary or leaves that to a later turn.

It knows when compaction is due, what the model is asked for, and how two upstream calls become the deltas of one turn.
Which items replace a compacted context is decided in `visible_items`.
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
    """The plan of a compaction."""

    asked: Turn
    """The turn in which the model writes the summary."""
    leading: list[InputItem]
    """Items before all others in this turn only: those of a prompt template."""
    before: list[InputItem] | None
    after: list[InputItem]
    answers: bool
    """Whether the model answers afterwards, based on the summary."""
    seal: Seal


def plan_compaction(turn: Turn, context: Context, seal: Seal | None) -> Compacting | None:
    """The plan of this turn's compaction; None where there is none. Raises `ApiError` 400 where it is not possible."""
    if context.compacts:
        # spec: compact
        return _requested(turn, context, seal)
    threshold = compact_threshold(turn.request)
    if seal is None or threshold is None or estimate_input(turn) <= threshold:
        return None
    leading = context.leading
    past, after = _split_unanswered(turn.items[len(leading) :])
    if not past:
        return None
    before = instruction_messages(past, users=False)
    asked = _summary_turn(turn, [*leading, *past])
    return Compacting(asked=asked, leading=leading, before=before, after=after, answers=True, seal=seal)


def compact_threshold(request: CreateResponse) -> int | None:
    """The smallest `compact_threshold` of the request, in tokens; None without one."""
    if not request.context_management:
        return None
    thresholds = [entry.compact_threshold for entry in request.context_management if entry.type == "compaction"]
    return min((tokens for tokens in thresholds if tokens is not None), default=None)


def _requested(turn: Turn, context: Context, seal: Seal | None) -> Compacting:
    if seal is None:
        raise no_sealing("input")
    if not turn.items:
        raise invalid("There is nothing to compact: the context is empty.", "input")
    asked = _summary_turn(turn, turn.items)
    return Compacting(asked=asked, leading=[], before=None, after=[], answers=False, seal=seal)


def _split_unanswered(items: Sequence[InputItem]) -> tuple[list[InputItem], list[InputItem]]:
    """The items up to the model's last answer, and the messages after it."""
    end = len(items)
    while end and instruction_messages(items[end - 1 : end], users=True):
        end -= 1
    return list(items[:end]), list(items[end:])


def _summary_turn(turn: Turn, items: Sequence[InputItem]) -> Turn:
    """The turn in which the model is asked for the summary. The request's output format and tools do not apply."""
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
    return replace(turn, request=asked, items=items, offers=(), choice=Choice(), shared=None)


async def open_compacted(upstream: Upstream, turn: Turn, compacting: Compacting) -> Deltas:
    """Open a turn at the upstream, with the compaction of its context. Raises `ApiError`."""
    return CompactingDeltas(upstream, turn, compacting, await upstream.open(compacting.asked))


def estimate_turn(turn: Turn, compacting: Compacting | None, output: Sequence[Item]) -> Usage:
    """The estimated usage of a turn, including the compaction of its context."""
    if compacting is None:
        return estimate_usage(turn, output)
    item, answer = (output[0], output[1:]) if output else (None, ())
    compaction = compacting.seal.open_compaction(item.encrypted_content) if isinstance(item, CompactionItem) else None
    if compaction is None:  # there was no summary
        return estimate_usage(compacting.asked, ())
    usage = _summary_usage(compacting, compaction.summary)
    if not compacting.answers:
        return usage
    return sum_usage(usage, estimate_usage(_answer_turn(turn, compacting, compaction), answer))


def _summary_usage(compacting: Compacting, summary: str) -> Usage:
    return estimate_usage(compacting.asked, [Message(role="assistant", content=summary)])


def _answer_turn(turn: Turn, compacting: Compacting, compaction: Compaction) -> Turn:
    """The turn in which the model answers, based on the summary."""
    return replace(turn, items=[*compacting.leading, *expand_compaction(compaction)])


class CompactingDeltas:
    """The deltas of a turn whose context is compacted first: one `Compacted`, then those of the answer."""

    def __init__(self, upstream: Upstream, turn: Turn, compacting: Compacting, asked: Deltas) -> None:
        self._upstream = upstream
        self._turn = turn
        self._compacting = compacting
        self._deltas = asked
        self._batches = aiter(asked)
        self._has_summary = False
        self._pieces: list[str] = []
        self._chars_left = compacting.seal.chars_max
        self._usage: Usage | None = None
        self._opening: asyncio.Task[Deltas] | None = None

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The next batch. It is empty for each part of the summary, which clients do not receive."""
        if self._opening is not None:
            await self._accepted(self._opening)
        if self._has_summary:
            return [self._with_usage(delta) for delta in await anext(self._batches)]
        try:
            batch = await anext(self._batches)
        except StopAsyncIteration:
            return await self._summarized()
        for delta in batch:
            self._collect(delta)
        return []

    async def aclose(self) -> None:
        """Close the upstream call that is open."""
        opening, self._opening = self._opening, None
        if opening is not None and not opening.cancel() and not opening.cancelled() and opening.exception() is None:
            await opening.result().aclose()
        await self._deltas.aclose()

    def _collect(self, delta: Delta) -> None:
        """Collect the summary's text and usage; reasoning is not part of the summary."""
        if isinstance(delta, TextDelta):
            self._add(delta.text)
        elif isinstance(delta, TextRun):
            self._add("".join(delta.texts))
        elif isinstance(delta, UsageDelta):
            self._usage = delta.usage

    def _add(self, text: str) -> None:
        self._chars_left -= len(text)
        if self._chars_left < 0:
            raise upstream_failed("The model's summary of the context is too long.", retriable=False)
        self._pieces.append(text)

    async def _summarized(self) -> list[Delta]:
        """The summary is complete. Where closing is cancelled, the next call repeats this step."""
        await self._deltas.aclose()
        summary = "".join(self._pieces).strip()
        if not summary:
            raise upstream_failed("The model gave no summary of the context, so that it cannot be compacted.")
        how = self._compacting
        compaction = Compaction(summary=summary, before=how.before, after=how.after)
        self._usage = self._usage or _summary_usage(how, summary)
        deltas: list[Delta] = [Compacted(how.seal.compaction(compaction))]
        self._has_summary = True
        if how.answers:
            turn = _answer_turn(self._turn, how, compaction)
            self._opening = asyncio.ensure_future(self._upstream.open(turn))
        else:
            deltas.append(UsageDelta(self._usage))
        return deltas

    async def _accepted(self, opening: asyncio.Task[Deltas]) -> None:
        """Wait for the answer to begin. A cancelled wait can be repeated; the upstream call continues."""
        await asyncio.wait({opening})
        self._opening = None
        self._deltas = opening.result()
        self._batches = aiter(self._deltas)

    def _with_usage(self, delta: Delta) -> Delta:
        """The answer's usage plus that of the summary."""
        if isinstance(delta, UsageDelta) and self._usage is not None:
            return UsageDelta(sum_usage(self._usage, delta.usage))
        return delta


def sum_usage(one: Usage, other: Usage) -> Usage:
    """The usage of two turns together."""
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
