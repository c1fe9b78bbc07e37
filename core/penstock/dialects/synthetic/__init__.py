"""The synthetic model: it answers every request at once, without cost, and equal requests equally.

It needs no upstream: it serves tests, demonstrations and load tests. `generate` yields the deltas of a turn, as an
upstream's reply does; `answer` makes their content. All of it is pure: no clock, no system randomness, no I/O.
`prompt_view` reads the turn, `prose` writes text, `calls` calls tools, `structured` and `values` make JSON that
satisfies schemas, and `seeded_random` makes every choice repeatable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

from .answer import Answer, CallTokens, make_answer
from .draws import FIRST, Draws
from .lengths import PARAMETERS, TOKENS_MAX
from .options import DEFAULTS, SyntheticOptions
from .prompt_view import read_prompt
from .repeated_tokens import joined
from .tokens import count_tokens

MODELS: tuple[str, ...] = ("synthetic",)
"""The names by which the model is asked for."""

BATCH_DELTAS = 32
"""How many deltas of a stream are in one batch. Between two batches, other requests are served."""

T = TypeVar("T")


def generate(
    turn: Turn, options: SyntheticOptions = DEFAULTS, draws: Draws = FIRST, tokens_max: int = TOKENS_MAX
) -> Iterator[list[Delta]]:
    """The answer to a turn: in batches of a few tokens, or all in one where it is not streamed.

    `options` decide how long it is, and `draws` are the random choices of the request. `tokens_max` is the most that
    it may be asked for.

    Raises `ApiError` for a turn that the model cannot answer. It does so when it is called, not while it is iterated.
    """
    answer = make_answer(turn, options, draws, tokens_max)
    return _in_pieces(answer) if turn.stream else iter([_in_one_batch(answer)])


def count_input(turn: Turn) -> int:
    """The input tokens that a turn's usage reports. Raises `ApiError` for a turn that the model cannot answer."""
    return read_prompt(turn).input_tokens


def _in_pieces(answer: Answer) -> Iterator[list[Delta]]:
    for reasoning in _batches(answer.reasoning):
        yield [ReasoningRun(reasoning)]
    for index, call in enumerate(answer.calls):
        yield from _batches(_call_in_pieces(index, call))
    if answer.logprobs:
        yield from _batches(_text_with_logprobs(answer))
    else:
        for texts in _batches(answer.text):
            yield [TextRun(texts)]
    yield _end(answer)


def _call_in_pieces(index: int, call: CallTokens) -> list[Delta]:
    first = ToolCallDelta(index=index, call_id=call.call_id, name=call.name)
    return [first, *[ToolCallDelta(index=index, arguments=token) for token in call.tokens]]


def _text_with_logprobs(answer: Answer) -> list[Delta]:
    return [TextDelta(token, [logprob]) for token, logprob in zip(answer.text, answer.logprobs, strict=True)]


def _batches(pieces: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(pieces), BATCH_DELTAS):
        yield [*pieces[start : start + BATCH_DELTAS]]


def _in_one_batch(answer: Answer) -> list[Delta]:
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


__all__ = ["MODELS", "PARAMETERS", "count_input", "count_tokens", "generate"]
