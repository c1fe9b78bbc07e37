"""Log probabilities: how sure the model claims to have been of each token.

It knows a few degrees of certainty; the tokens beside the chosen one are the chosen one's neighbours in the answer's
own vocabulary. The probabilities at a position add up to less than one.
"""

from __future__ import annotations

from penstock.wire import Logprob, TopLogprob

from .phrases import SENTENCES
from .seeded_random import Chance

CERTAINTIES = (
    (-0.0001, -9.2103),
    (-0.0101, -4.6052),
    (-0.0513, -2.9957),
    (-0.1054, -2.3026),
    (-0.2231, -1.6094),
    (-0.3567, -1.2040),
    (-0.5108, -0.9163),
    (-0.6931, -0.6931),
)
"""Natural logarithms of how likely the chosen token was, and of what that leaves for all others."""
HALF = -0.6931
"""The logarithm of a half: each other token has half of what is left."""
OTHERS = tuple(sorted({token for frame in SENTENCES for gap in frame for tokens in gap for token in tokens}))


def logprobs(tokens: list[str], top: int, chance: Chance) -> list[Logprob]:
    """One for each token, with the `top` likeliest tokens at its place."""
    return [_logprob(token, top, chance) for token in tokens]


def _logprob(token: str, top: int, chance: Chance) -> Logprob:
    likelihood, rest = chance.pick(CERTAINTIES)
    chosen = TopLogprob(token=token, bytes=_bytes(token), logprob=likelihood)
    others = _others(token, top - 1, rest, chance) if top > 1 else []
    return Logprob(
        token=token,
        bytes=chosen.bytes,
        logprob=likelihood,
        top_logprobs=[chosen, *others] if top else [],
    )


def _others(token: str, count: int, rest: float, chance: Chance) -> list[TopLogprob]:
    """Tokens that might have been said instead, the likelier ones first."""
    first = chance.below(len(OTHERS))
    near = [OTHERS[(first + step) % len(OTHERS)] for step in range(count + 1)]
    return [
        TopLogprob(token=other, bytes=_bytes(other), logprob=round(rest + HALF * (step + 1), 4))
        for step, other in enumerate([other for other in near if other != token][:count])
    ]


def _bytes(token: str) -> list[int]:
    return list(token.encode("utf-8", "surrogatepass"))
