"""Draws: the random choices of one request, beside its text.

They depend on the seed of the options and on the number of the request alone, so that a series of requests has the same
outcomes and times each time, and they vary from request to request.
"""

from __future__ import annotations

import msgspec

from .options import Constant, Distribution
from .seeded_random import DRAWS, SeededRandom, seed


class Draws(msgspec.Struct, frozen=True):
    """A generator for each purpose of one request."""

    seed: int = 0
    number: int = 0
    """How many requests with the same model name came before this one."""

    def random(self, purpose: str) -> SeededRandom:
        """The generator of a purpose, such as `itl_ms`. It does not change the generators of other purposes."""
        return SeededRandom(seed(f"{self.seed} {self.number} {purpose}"), DRAWS)

    def draw(self, purpose: str, distribution: Distribution) -> float:
        """A value for an option that has one value in each request."""
        if isinstance(distribution, Constant):
            return distribution.value
        return distribution.draw(self.random(purpose))

    def happens(self, purpose: str, rate: float) -> bool:
        """Whether something happens that has this probability."""
        return rate > 0 and (rate >= 1 or self.random(purpose).unit() < rate)


FIRST = Draws()
"""The draws of the first request, without a seed."""
