"""Log probabilities: made-up probabilities of each token.

It knows a few degrees of certainty. The alternatives at a position are tokens of `phrases`. The probabilities at a
position add up to less than one.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.wire import Logprob, TopLogprob

from .phrases import SENTENCES
from .seeded_random import SeededRandom

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
"""Pairs: the natural logarithm of the chosen token's probability, and that of all other tokens together."""
HALF = -0.6931
"""The natural logarithm of one half: each alternative has half of the probability that is left."""
ALTERNATIVES = tuple(sorted({token for frame in SENTENCES for gap in frame for tokens in gap for token in tokens}))


def logprobs(tokens: Sequence[str], top: int, random: SeededRandom) -> list[Logprob]:
    """One entry for each token, with the `top` most likely tokens at its position."""
    return [_logprob(token, top, random) for token in tokens]


def _logprob(token: str, top: int, random: SeededRandom) -> Logprob:
    likelihood, rest = random.pick(CERTAINTIES)
    chosen = TopLogprob(token=token, bytes=_bytes(token), logprob=likelihood)
    alternatives = _alternatives(token, top - 1, rest, random) if top > 1 else []
    return Logprob(
        token=token,
        bytes=chosen.bytes,
        logprob=likelihood,
        top_logprobs=[chosen, *alternatives] if top else [],
    )


def _alternatives(token: str, count: int, rest: float, random: SeededRandom) -> list[TopLogprob]:
    """The alternatives to a token, the most likely first."""
    first = random.below(len(ALTERNATIVES))
    near = [ALTERNATIVES[(first + step) % len(ALTERNATIVES)] for step in range(count + 1)]
    return [
        TopLogprob(token=other, bytes=_bytes(other), logprob=round(rest + HALF * (step + 1), 4))
        for step, other in enumerate([other for other in near if other != token][:count])
    ]


def _bytes(token: str) -> list[int]:
    return list(token.encode("utf-8", "surrogatepass"))
