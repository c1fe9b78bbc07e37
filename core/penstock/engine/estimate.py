"""Tokens by rule of thumb, where an upstream does not count them: four bytes of text are a token."""

from __future__ import annotations

from penstock.lossless import encode
from penstock.ports import Turn
from penstock.wire import Response, Usage

_BYTES_PER_TOKEN = 4


def estimate_usage(turn: Turn, response: Response) -> Usage:
    """The usage of a turn, marked as estimated. JSON's own marks are counted too: templates have as many."""
    input_tokens = estimate_input(turn)
    output_tokens = sum(_tokens(item) for item in response.output)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
        estimated=True,
    )


def estimate_input(turn: Turn) -> int:
    """The tokens of everything that the model is shown."""
    return _tokens(turn.items) + _tokens(turn.request.instructions) + _tokens(turn.offers)


def _tokens(value: object) -> int:
    return -(-len(encode(value)) // _BYTES_PER_TOKEN) if value else 0
