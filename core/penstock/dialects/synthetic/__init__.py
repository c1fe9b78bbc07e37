"""The synthetic model: it answers every request at once, without cost, and equal requests equally.

It needs no upstream: it serves tests, demonstrations and load tests. `generate` yields the deltas of a turn, as an
upstream's reply does; `answer` makes their content, and `pieces` makes deltas of it. All of it is pure: no clock, no
system randomness, no I/O. `prompt_view` reads the turn, `prose` writes text, `calls` calls tools, `structured` and
`values` make JSON that satisfies schemas, and `seeded_random` makes every choice repeatable.
"""

from __future__ import annotations

from collections.abc import Iterator

from penstock.ports import Turn
from penstock.transcript.deltas import Delta

from .answer import Answer, make_answer
from .draws import FIRST, Draws
from .lengths import PARAMETERS, TOKENS_MAX
from .options import DEFAULTS, SyntheticOptions
from .pieces import BATCH_DELTAS, Pieces, in_batches, in_one_batch
from .prompt_view import read_prompt
from .tokens import count_tokens

MODELS: tuple[str, ...] = ("synthetic",)
"""The names by which the model is asked for."""

CONTEXT_TOKENS = 131_072
"""The size of the context that clients are shown. A longer input is answered too, unless an option limits it."""


def generate(
    turn: Turn, options: SyntheticOptions = DEFAULTS, draws: Draws = FIRST, tokens_max: int = TOKENS_MAX
) -> Iterator[list[Delta]]:
    """The answer to a turn: in batches of a few tokens, or all in one where it is not streamed.

    `options` decide how long it is, and `draws` are the random choices of the request. `tokens_max` is the most that
    it may be asked for.

    Raises `ApiError` for a turn that the model cannot answer. It does so when it is called, not while it is iterated.
    """
    answer = make_answer(turn, options, draws, tokens_max)
    return in_batches(answer, options.tokens_per_delta) if turn.stream else iter([in_one_batch(answer)])


def count_input(turn: Turn) -> int:
    """The input tokens that a turn's usage reports. Raises `ApiError` for a turn that the model cannot answer."""
    return read_prompt(turn).input_tokens


__all__ = [
    "BATCH_DELTAS",
    "CONTEXT_TOKENS",
    "MODELS",
    "PARAMETERS",
    "Answer",
    "Pieces",
    "count_input",
    "count_tokens",
    "generate",
    "in_one_batch",
    "make_answer",
]
