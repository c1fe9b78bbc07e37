"""Long texts in little memory: some tokens, repeated up to any length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import overload


class RepeatedTokens(Sequence[str]):
    """The tokens, repeated from the beginning until there are `length`. There is at least one token."""

    __slots__ = ("_length", "_tokens")

    def __init__(self, tokens: list[str], length: int) -> None:
        self._tokens = tokens
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        return islice(cycle(self._tokens), self._length)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        """One token, or consecutive ones as a list."""
        if isinstance(at, int):
            return self._tokens[range(self._length)[at] % len(self._tokens)]
        start, stop, _ = at.indices(self._length)
        skipped = start % len(self._tokens)
        return list(islice(cycle(self._tokens), skipped, skipped + max(0, stop - start)))

    def text(self) -> str:
        """All tokens as one text."""
        count, rest = divmod(self._length, len(self._tokens))
        return "".join(self._tokens) * count + "".join(self._tokens[:rest])

    def first(self, length: int) -> RepeatedTokens:
        """The first tokens, in as little memory."""
        return RepeatedTokens(self._tokens, min(length, self._length))


def first(tokens: Sequence[str], length: int) -> Sequence[str]:
    """The first tokens of a text."""
    return tokens.first(length) if type(tokens) is RepeatedTokens else tokens[:length]


def joined(tokens: Sequence[str]) -> str:
    """The tokens as one text."""
    return tokens.text() if type(tokens) is RepeatedTokens else "".join(tokens)
