"""Pieces: the deltas of an answer, as many at a time as the reader takes.

It knows the order of the deltas of a turn, and how many tokens each has. It does not know when they are due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from penstock.transcript.deltas import (
    Delta,
    Finish,
    ReasoningDelta,
    ReasoningRun,
    TextDelta,
    TextRun,
    ToolCallDelta,
    UsageDelta,
)
from penstock.wire import InputTokensDetails, OutputTokensDetails, Usage

from .answer import Answer, CallTokens
from .repeated_tokens import joined

BATCH_DELTAS = 128
"""How many deltas of a stream are in one batch at most. Between two batches, other requests are served."""


class _Section(NamedTuple):
    """The pieces of one kind that were not taken yet, and the function that makes deltas of some of them."""

    pieces: Iterator[Any]
    deltas: Callable[[list[Any]], list[Delta]]


class Pieces:
    """The deltas of an answer that were not taken yet. The usage and the end of the turn come with the last one."""

    def __init__(self, answer: Answer, tokens_per_delta: int = 1) -> None:
        self._answer = answer
        self._sections = list(_sections(answer, tokens_per_delta))
        self.left = sum([_length(tokens, tokens_per_delta) for tokens in (answer.reasoning, answer.text)])
        self.left += sum([1 + _length(call.tokens, tokens_per_delta) for call in answer.calls])
        """How many deltas are left, without the end."""
        self.is_taken = False
        """Whether the end was taken."""

    def take(self, count: int) -> list[Delta]:
        """The next deltas, at most `count`, and the end after the last one. Nothing after the end."""
        taken: list[Delta] = []
        while count and self.left:
            section = self._sections[0]
            pieces = list(islice(section.pieces, count))
            if pieces:
                taken += section.deltas(pieces)
                count -= len(pieces)
                self.left -= len(pieces)
            else:
                del self._sections[0]
        if not (self.left or self.is_taken):
            self.is_taken = True
            taken += _end(self._answer)
        return taken


def in_batches(answer: Answer, tokens_per_delta: int = 1) -> Iterator[list[Delta]]:
    """All deltas of an answer that is streamed, in batches."""
    pieces = Pieces(answer, tokens_per_delta)
    while deltas := pieces.take(BATCH_DELTAS):
        yield deltas


def in_one_batch(answer: Answer) -> list[Delta]:
    """An answer that is not streamed."""
    batch: list[Delta] = []
    if answer.reasoning:
        batch.append(ReasoningDelta(joined(answer.reasoning)))
    for index, call in enumerate(answer.calls):
        arguments = "".join(call.tokens)
        batch.append(ToolCallDelta(index=index, call_id=call.call_id, name=call.name, arguments=arguments))
    if answer.text:
        batch.append(TextDelta(joined(answer.text), answer.logprobs))
    return batch + _end(answer)


def _end(answer: Answer) -> list[Delta]:
    output_tokens = answer.output_tokens()
    usage = Usage(
        input_tokens=answer.input_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=answer.cached_tokens),
        output_tokens=output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=len(answer.reasoning)),
        total_tokens=answer.input_tokens + output_tokens,
    )
    return [UsageDelta(usage), Finish(answer.incomplete)]


def _sections(answer: Answer, size: int) -> Iterator[_Section]:
    """The sections of a turn in their order. Each delta has `size` tokens, and the last of a section may have less."""
    yield _Section(_grouped(answer.reasoning, size), _reasoning)
    for index, call in enumerate(answer.calls):
        yield _Section(_call(index, call, size), list)
    if answer.logprobs:
        yield _Section(_with_logprobs(answer, size), list)
    else:
        yield _Section(_grouped(answer.text, size), _text)


def _length(tokens: Sequence[str], size: int) -> int:
    """How many groups the tokens have."""
    return -(-len(tokens) // size)


def _grouped(tokens: Iterable[str], size: int) -> Iterator[str]:
    """The tokens in groups of this size, each group as one text."""
    left = iter(tokens)
    return left if size == 1 else iter(lambda: "".join(islice(left, size)), "")


def _reasoning(texts: list[str]) -> list[Delta]:
    return [ReasoningRun(texts)]


def _text(texts: list[str]) -> list[Delta]:
    return [TextRun(texts)]


def _call(index: int, call: CallTokens, size: int) -> Iterator[Delta]:
    yield ToolCallDelta(index=index, call_id=call.call_id, name=call.name)
    for text in _grouped(call.tokens, size):
        yield ToolCallDelta(index=index, arguments=text)


def _with_logprobs(answer: Answer, size: int) -> Iterator[Delta]:
    left = iter(answer.logprobs)
    for text in _grouped(answer.text, size):
        yield TextDelta(text, list(islice(left, size)))
