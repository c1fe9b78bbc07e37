"""Repeatable randomness: numbers that depend on the request alone, and are equal on every machine.

It knows BLAKE2b: each block of random bytes is the digest of the block before it. One byte is enough for most choices.
It never asks the system for randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

PROSE, REASONING, CALLS, LOGPROBS, DRAWS = b"p", b"t", b"c", b"o", b"d"
"""The purposes. Each kind of output has its own sequence, so that one kind of output does not change another."""

BLOCK_BYTES = 64
"""The bytes of one block, and the most that one draw can have."""


def seed(content: str) -> bytes:
    """The seed of all purposes, from the text that they depend on."""
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def numbered(seed: int, number: int) -> bytes:
    """The seed of one request, from the seed that was asked for and the number of the request."""
    return blake2b(b"%d %d" % (seed, number), digest_size=32).digest()


class SeededRandom:
    """The random numbers of one purpose."""

    __slots__ = ("_at", "_block")

    def __init__(self, seed: bytes, purpose: bytes) -> None:
        self._block = blake2b(seed, person=purpose).digest()
        self._at = 0

    def draws(self, count: int) -> bytes:
        """The next `count` random bytes, at most `BLOCK_BYTES`. The rest of a block that is too short is not used."""
        at = self._at
        if at + count > BLOCK_BYTES:
            self._block = blake2b(self._block).digest()
            at = 0
        self._at = at + count
        return self._block[at : at + count]

    def between(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included, of any size."""
        span, draw = high - low + 1, 0
        for _ in range(0, span.bit_length() + 16, 128):
            draw = draw << 128 | int.from_bytes(self.draws(16), "big")
        return low + draw % span

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1, both included."""
        return int.from_bytes(self.draws(4), "big") % count

    def unit(self) -> float:
        """A number from 0 to less than 1, one of 2**53."""
        return (int.from_bytes(self.draws(8), "big") >> 11) * 2.0**-53

    def one_in(self, count: int) -> bool:
        """True with a probability of 1 to `count`."""
        return self.below(count) == 0

    def pick(self, choices: Sequence[T]) -> T:
        """One of these choices."""
        return choices[self.below(len(choices))]

    def hex(self, digits: int) -> str:
        """This many hexadecimal digits."""
        return f"{self.between(0, 16**digits - 1):0{digits}x}"
