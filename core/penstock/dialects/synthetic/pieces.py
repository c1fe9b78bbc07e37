"""Pieces: the deltas of an answer, as many at a time as the reader takes.

It knows the order of the deltas of a turn, and how many tokens each has. It does not know when they are due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

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
from penstock.wire import OutputTokensDetails, Usage

from .answer import Answer, CallTokens
from .repeated_tokens import joined

BATCH_DELTAS = 32
"""How many deltas of a stream are in one batch at most. Between two batches, other requests are served."""


class _Made(NamedTuple):
    """Deltas that are made before they are taken, since each is different."""

    deltas: list[Delta]

    @property
    def length(self) -> int:
        """How many there are."""
        return len(self.deltas)

    def slice(self, start: int, end: int) -> list[Delta]:
        """Some of them."""
        return self.deltas[start:end]


class _Texts(NamedTuple):
    """Tokens of one kind, how many each delta has, and the delta of a run of them."""

    tokens: Sequence[str]
    size: int
    run: Callable[[list[str]], Delta]

    @property
    def length(self) -> int:
        """How many deltas it has."""
        return -(-len(self.tokens) // self.size)

    def slice(self, start: int, end: int) -> list[Delta]:
        """Some of the deltas."""
        return [self.run(_grouped(self.tokens[start * self.size : end * self.size], self.size))]


class Pieces:
    """The deltas of an answer that were not taken yet. The usage and the end of the turn come with the last one."""

    def __init__(self, answer: Answer, tokens_per_delta: int = 1) -> None:
        self._answer = answer
        self._sections = [section for section in _sections(answer, tokens_per_delta) if section.length]
        self._at = 0
        """How many deltas of the first section were taken."""
        self.left = sum([section.length for section in self._sections])
        """How many deltas are left, without the end."""
        self.is_taken = False
        """Whether the end was taken."""

    def take(self, count: int) -> list[Delta]:
        """The next deltas, at most `count`, and the end after the last one. Nothing after the end."""
        taken: list[Delta] = []
        while count and self._sections:
            section, start = self._sections[0], self._at
            self._at = min(start + count, section.length)
            taken += section.slice(start, self._at)
            count -= self._at - start
            self.left -= self._at - start
            if self._at == section.length:
                del self._sections[0]
                self._at = 0
        if not (self._sections or self.is_taken):
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
        output_tokens=output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=len(answer.reasoning)),
        total_tokens=answer.input_tokens + output_tokens,
    )
    return [UsageDelta(usage), Finish(answer.incomplete)]


def _sections(answer: Answer, size: int) -> Iterator[_Made | _Texts]:
    """The sections of a turn in their order. Each delta has `size` tokens, and the last of a section may have less."""
    yield _Texts(answer.reasoning, size, ReasoningRun)
    for index, call in enumerate(answer.calls):
        yield _Made(_call(index, call, size))
    if answer.logprobs:
        yield _Made(_with_logprobs(answer, size))
    else:
        yield _Texts(answer.text, size, TextRun)


def _grouped(tokens: Sequence[str], size: int) -> list[str]:
    """The tokens in groups of this size, each group as one text."""
    return list(tokens) if size == 1 else ["".join(tokens[at : at + size]) for at in range(0, len(tokens), size)]


def _call(index: int, call: CallTokens, size: int) -> list[Delta]:
    first = ToolCallDelta(index=index, call_id=call.call_id, name=call.name)
    return [first, *[ToolCallDelta(index=index, arguments=text) for text in _grouped(call.tokens, size)]]


def _with_logprobs(answer: Answer, size: int) -> list[Delta]:
    texts, logprobs = _grouped(answer.text, size), answer.logprobs
    return [TextDelta(text, logprobs[at * size : (at + 1) * size]) for at, text in enumerate(texts)]
