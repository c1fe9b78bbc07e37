"""Chance that can be repeated: decisions that follow from the request alone, on every machine.

It knows BLAKE2b, whose digests of each other are the draws: a byte decides what to say next, and a byte is cheap. It
never asks the system for randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

PROSE, THOUGHTS, CALLS, ODDS = b"p", b"t", b"c", b"o"
"""The purposes: each kind of output decides for itself, so that asking for one more leaves the others as they were."""

POOL_BYTES = 64


def seed(content: str) -> bytes:
    """The seed of all purposes, from the words that they are to depend on."""
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=32).digest()


class Chance:
    """The decisions of one purpose, one after the other."""

    __slots__ = ("_at", "_pool")

    def __init__(self, seed: bytes, purpose: bytes) -> None:
        self._pool = blake2b(seed, person=purpose).digest()
        self._at = 0

    def draws(self, count: int) -> bytes:
        """So many random bytes, at most `POOL_BYTES`; what is left of a pool that is too small is not used."""
        at = self._at
        if at + count > POOL_BYTES:
            self._pool = blake2b(self._pool).digest()
            at = 0
        self._at = at + count
        return self._pool[at : at + count]

    def between(self, low: int, high: int) -> int:
        """A number from `low` to `high`, however far apart these are."""
        span, draw = high - low + 1, 0
        for _ in range(0, span.bit_length() + 16, 128):
            draw = draw << 128 | int.from_bytes(self.draws(16), "big")
        return low + draw % span

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1."""
        return int.from_bytes(self.draws(4), "big") % count

    def one_in(self, count: int) -> bool:
        """True once in `count` times."""
        return self.below(count) == 0

    def pick(self, choices: Sequence[T]) -> T:
        """One of several."""
        return choices[self.below(len(choices))]

    def hex(self, digits: int) -> str:
        """Hexadecimal digits."""
        return f"{self.between(0, 16**digits - 1):0{digits}x}"
