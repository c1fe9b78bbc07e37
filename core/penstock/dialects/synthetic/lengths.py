"""Lengths: how many tokens a turn has to have, by its options and by its request.

It knows `max_output_tokens`, and the parameters `ignore_eos` and `min_tokens` of inference servers, which OpenAI's API
does not have. It never generates anything.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from penstock.errors import ApiError, invalid
from penstock.limits import Limits
from penstock.ports import Turn

from .draws import Draws
from .options import DEFAULTS, Distribution, SyntheticOptions

PARAMETERS = frozenset({"ignore_eos", "min_tokens"})
"""The parameters that are read here, of those that OpenAI's API does not have."""
TOKENS_MAX = Limits().synthetic_tokens_max

T = TypeVar("T")
_TOKENS = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=0)] | None)
_FLAG = msgspec.json.Decoder(bool | None)


class Lengths(msgspec.Struct, kw_only=True, frozen=True):
    """The tokens of a turn. None where the model decides."""

    text: int | None
    reasoning: int | None
    at_least: int
    """Of the whole output."""
    before_stop: int = 0
    """How many tokens of the whole output are sent before a stop sequence can end it."""
    at_most: int | None
    """Of the whole output. A longer output is cut, and a cut output is incomplete."""

    @property
    def are_exact(self) -> bool:
        """Whether only the limit ends the output."""
        return self.at_least == self.at_most


def read_lengths(
    turn: Turn, options: SyntheticOptions, draws: Draws, input_tokens: int, tokens_max: int = TOKENS_MAX
) -> Lengths:
    """The lengths of a turn. Raises `ApiError` 400, also where the context is too small for the input."""
    if options is DEFAULTS and not turn.extras:
        return Lengths(text=None, reasoning=None, at_least=0, at_most=turn.request.max_output_tokens)
    limit = _limit(turn.request.max_output_tokens, options.context, input_tokens)
    at_least, param = _parameter(turn, "min_tokens", _TOKENS) or 0, "min_tokens"
    if limit is not None and at_least > limit:
        message = f"Invalid 'min_tokens': {at_least:,} is more than the limit of {limit:,} tokens."
        raise invalid(message, param, "invalid_value")
    before_stop = at_least
    # spec: load-tools
    if _parameter(turn, "ignore_eos", _FLAG) and limit is not None:
        at_least, param = limit, "max_output_tokens"
    return Lengths(
        text=_drawn("tokens", options.tokens, draws, tokens_max),
        reasoning=_drawn("reasoning_tokens", options.reasoning_tokens, draws, tokens_max),
        at_least=_checked(at_least, param, tokens_max),
        before_stop=before_stop,
        at_most=limit,
    )


def too_long(input_tokens: int, context: int) -> ApiError:
    """The error for an input that does not fit into the context."""
    # spec: synthetic-lengths
    message = f"Your input exceeds the context window of this model: {input_tokens} of {context} tokens."
    return invalid(message, "input", "context_length_exceeded")


def _limit(asked: int | None, context: int | None, input_tokens: int) -> int | None:
    """The limit of the request, or the rest of the context where that is less."""
    if context is None:
        return asked
    if input_tokens >= context:
        raise too_long(input_tokens, context)
    return context - input_tokens if asked is None else min(asked, context - input_tokens)


def _parameter(turn: Turn, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    """The value of a parameter that is not OpenAI's. None where the request does not have it. Raises `ApiError`."""
    raw = turn.extras.get(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        problem = str(error)
        raise invalid(f"Invalid value for '{name}': {problem[0].lower()}{problem[1:]}.", name, "invalid_type") from None


def _drawn(name: str, distribution: Distribution | None, draws: Draws, tokens_max: int) -> int | None:
    if distribution is None:
        return None
    return _checked(round(draws.draw(name, distribution)), "model", tokens_max)


def _checked(tokens: int, param: str, tokens_max: int) -> int:
    if tokens > tokens_max:
        raise invalid(f"Invalid '{param}': {tokens:,} tokens are more than {tokens_max:,}.", param, "invalid_value")
    return tokens
