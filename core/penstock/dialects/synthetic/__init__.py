"""The synthetic model: it answers everything at once, for free, and the same request in the same way.

It needs no upstream: for tests, demonstrations and load. `speak` says a turn as any upstream would; `answer` makes
what is said, and everything under it is pure: no clock, no randomness, no I/O. Names: `prose` writes, `calls` calls
tools, `structured` and `values` make JSON from schemas, `heard` reads the turn, `chance` decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from penstock.ports import Turn
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

from .answer import Answer, SpokenCall, answer
from .prompt_view import hear
from .tokens import count_tokens

MODELS: tuple[str, ...] = ("synthetic",)
"""The names by which the model is asked for."""

BATCH_DELTAS = 32
"""How many deltas of a stream come at once: between two batches, other requests are served."""

T = TypeVar("T")


def speak(turn: Turn) -> Iterator[list[Delta]]:
    """The answer to a turn: in batches of a few tokens, or all in one where it is not streamed.

    Raises `ApiError` for what it cannot answer, when called and not later.
    """
    said = answer(turn)
    return _piecewise(said) if turn.stream else iter([_whole(said)])


def count_input(turn: Turn) -> int:
    """What the input of a turn costs, as its usage will tell. Raises `ApiError` for what the model cannot answer."""
    return hear(turn).input_tokens


def _piecewise(said: Answer) -> Iterator[list[Delta]]:
    for thoughts in _batches(said.thoughts):
        yield [ReasoningRun(thoughts)]
    for index, call in enumerate(said.calls):
        yield from _batches(_call_piecewise(index, call))
    if said.logprobs:
        yield from _batches(_text_with_logprobs(said))
    else:
        for texts in _batches(said.text):
            yield [TextRun(texts)]
    yield _end(said)


def _call_piecewise(index: int, call: SpokenCall) -> list[Delta]:
    begun = ToolCallDelta(index=index, call_id=call.call_id, name=call.name)
    return [begun, *[ToolCallDelta(index=index, arguments=token) for token in call.tokens]]


def _text_with_logprobs(said: Answer) -> list[Delta]:
    return [TextDelta(token, [logprob]) for token, logprob in zip(said.text, said.logprobs, strict=True)]


def _batches(pieces: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(pieces), BATCH_DELTAS):
        yield pieces[start : start + BATCH_DELTAS]


def _whole(said: Answer) -> list[Delta]:
    batch: list[Delta] = []
    if said.thoughts:
        batch.append(ReasoningDelta("".join(said.thoughts)))
    for index, call in enumerate(said.calls):
        arguments = "".join(call.tokens)
        batch.append(ToolCallDelta(index=index, call_id=call.call_id, name=call.name, arguments=arguments))
    if said.text:
        batch.append(TextDelta("".join(said.text), said.logprobs))
    return batch + _end(said)


def _end(said: Answer) -> list[Delta]:
    output_tokens = said.output_tokens()
    usage = Usage(
        input_tokens=said.input_tokens,
        output_tokens=output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=len(said.thoughts)),
        total_tokens=said.input_tokens + output_tokens,
    )
    return [UsageDelta(usage), Finish(said.incomplete)]


__all__ = ["MODELS", "count_input", "count_tokens", "speak"]
