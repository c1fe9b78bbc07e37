"""Texts that match a simple regular expression.

It knows characters, classes, groups, alternatives and repetitions. Anchors need no code: a text begins and ends where
they stand. Assertions, references and properties of characters raise `UnsupportedPattern`. It never runs a pattern of
a client, since some take exponential time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from .seeded_random import SeededRandom
from .work_budget import WorkBudget

PATTERN_CHARS_MAX = 1_000
TEXT_CHARS_MAX = 2_000
"""The length of the longest text for a pattern. Repetitions of an empty part count as one character each."""
EXTRA_REPEATS = 4
"""How many repetitions a part gets at most beyond those that it needs, where its text is made at random."""
NESTING_MAX = 20
CHARACTER_WORK = 4
"""The cost of reading one character of a pattern, in units of work."""
CLASS_CHARS_MAX = 100
"""How many characters of a range without printable ASCII characters are used."""

_DIGITS = "0123456789"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = f"{_LETTERS}{_LETTERS.upper()}{_DIGITS}_"
_PRINTABLE = "".join(map(chr, range(32, 127)))
_SETS = {"d": _DIGITS, "w": _WORD, "s": " "}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_GROUP = re.compile(r"\((?:\?:|\?P?<[A-Za-z_]\w*>)?(?!\?)")
_COUNT = re.compile(r"(?:(?P<sign>[*+?])|\{(?P<low>\d{1,6})(?P<comma>,(?P<high>\d{0,6}))?\})[?+]?")
_SIGNS = {"*": (0, TEXT_CHARS_MAX), "+": (1, TEXT_CHARS_MAX), "?": (0, 1)}
_HEX = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})")
_PAIR = re.compile(r"u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
"""A character above U+FFFF as a surrogate pair, as JavaScript's patterns write it."""
_ANCHOR = re.compile(r"[\^$]|\\[AZz]")


class UnsupportedPattern(Exception):
    """A pattern that no text can be made for here."""


class TextBuilder:
    """Makes one text: at random, or with `extra` repetitions of every part that may be repeated."""

    def __init__(self, random: SeededRandom, work: WorkBudget, extra: int | None = None) -> None:
        self.random = random
        self._budget = work
        self._extra = extra
        self._chars_left = TEXT_CHARS_MAX

    def character(self, choices: str) -> str:
        """One of these characters, at random."""
        self._spend()
        return self.random.pick(choices)

    def times(self, low: int, high: int) -> int:
        """How often a part is repeated, at least `low` and at most `high` times."""
        if self._extra is None:
            return low + self.random.below(min(EXTRA_REPEATS, high - low) + 1)
        return min(low + self._extra, high)

    def repeated(self, write: WriteText, times: int) -> str:
        """The texts of a part that is repeated `times` times."""
        pieces: list[str] = []
        for _ in range(times):
            self._spend()
            pieces.append(write(self))
        return "".join(pieces)

    def _spend(self) -> None:
        self._chars_left -= 1
        if self._chars_left < 0:
            raise UnsupportedPattern
        self._budget.spend(1)


WriteText: TypeAlias = Callable[[TextBuilder], str]


def parse_pattern(pattern: str) -> WriteText:
    """Parse a pattern. The function that is returned makes texts that match it. Raises `UnsupportedPattern`."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise UnsupportedPattern
    return _Parser(pattern).parse()


class Patterns:
    """Makes texts for the patterns of one document. Each pattern is parsed once."""

    def __init__(self, random: SeededRandom, work: WorkBudget) -> None:
        self._random = random
        self._budget = work
        self._parsed: dict[str, WriteText | None] = {}

    def text(self, pattern: str, extra: int | None = None) -> str:
        """A text that matches the pattern. Raises `UnsupportedPattern`."""
        if pattern not in self._parsed:
            self._parsed[pattern] = self._parse(pattern)
        write = self._parsed[pattern]
        if write is None:
            raise UnsupportedPattern
        return write(TextBuilder(self._random, self._budget, extra))

    def _parse(self, pattern: str) -> WriteText | None:
        self._budget.spend(CHARACTER_WORK * min(len(pattern), PATTERN_CHARS_MAX))
        try:
            return parse_pattern(pattern)
        except UnsupportedPattern:
            return None


class _Parser:
    """Parses a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def parse(self) -> WriteText:
        """The whole pattern."""
        write = self._alternatives(0)
        if self._at < len(self._pattern):
            raise UnsupportedPattern
        return write

    def _alternatives(self, nesting: int) -> WriteText:
        """The alternatives up to the end of the group, or of the pattern."""
        if nesting > NESTING_MAX:
            raise UnsupportedPattern
        choices = [self._sequence(nesting)]
        while self._take("|"):
            choices.append(self._sequence(nesting))
        return choices[0] if len(choices) == 1 else lambda builder: builder.random.pick(choices)(builder)

    def _sequence(self, nesting: int) -> WriteText:
        parts: list[WriteText] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            if not self._match(_ANCHOR):
                parts.append(self._repeated(self._atom(nesting)))
        return lambda builder: "".join([part(builder) for part in parts])

    def _repeated(self, write: WriteText) -> WriteText:
        """The part that was just parsed, with the quantifier behind it if there is one."""
        count = self._match(_COUNT)
        if not count:
            return write
        low, high = _bounds(count)
        return lambda builder: builder.repeated(write, builder.times(low, high))

    def _atom(self, nesting: int) -> WriteText:
        if self._match(_GROUP):
            write = self._alternatives(nesting + 1)
            if not self._take(")"):
                raise UnsupportedPattern
            return write
        if self._take("["):
            return _any_of(self._class())
        if self._take("."):
            return _any_of(_LETTERS + _DIGITS)
        return _any_of(self._escaped() if self._take("\\") else self._plain())

    def _plain(self) -> str:
        character = self._next()
        if character in "(*+?":  # an unsupported kind of group, or a quantifier without a part
            raise UnsupportedPattern
        return character

    def _class(self) -> str:
        """The characters of a class in brackets."""
        negated = self._take("^")
        chosen = self._members()
        while not self._take("]"):
            chosen += self._members()
        if negated:
            chosen = "".join([character for character in _PRINTABLE if character not in chosen])
        if not chosen:
            raise UnsupportedPattern
        return chosen

    def _members(self) -> str:
        """The characters of one member of a class: a character, a range or a set."""
        first = self._escaped() if self._take("\\") else self._next()
        if len(first) != 1 or self._pattern[self._at : self._at + 1] != "-":
            return first
        if self._pattern[self._at + 1 : self._at + 2] == "]":
            return first
        self._next()
        last = self._escaped() if self._take("\\") else self._next()
        return _range(ord(first), ord(last)) if len(last) == 1 else f"{first}-{last}"

    def _escaped(self) -> str:
        """The characters of an escape whose backslash was read."""
        if pair := self._match(_PAIR):
            return bytes.fromhex(pair[1] + pair[2]).decode("utf-16-be")
        if code := self._match(_HEX):
            return _without_surrogates(chr(int(code[1] or code[2], 16)))
        letter = self._next()
        if letter.lower() in _SETS:
            chosen = _SETS[letter.lower()]
            return chosen if letter.islower() else "".join([c for c in _PRINTABLE if c not in chosen])
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter.isalnum():  # a reference, a boundary, a property
            raise UnsupportedPattern
        return letter

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise UnsupportedPattern
        self._at += 1
        return self._pattern[self._at - 1]

    def _take(self, text: str) -> bool:
        taken = self._pattern.startswith(text, self._at)
        self._at += len(text) if taken else 0
        return taken

    def _match(self, expected: re.Pattern[str]) -> re.Match[str] | None:
        found = expected.match(self._pattern, self._at)
        self._at = found.end() if found else self._at
        return found


def _any_of(choices: str) -> WriteText:
    return lambda builder: builder.character(choices)


def _bounds(count: re.Match[str]) -> tuple[int, int]:
    if count["sign"]:
        return _SIGNS[count["sign"]]
    low = int(count["low"])
    if not count["comma"]:
        return low, low
    high = int(count["high"]) if count["high"] else low + TEXT_CHARS_MAX
    if high < low:
        raise UnsupportedPattern
    return low, high


def _range(first: int, last: int) -> str:
    """The printable ASCII characters of a range, or its first characters where it has none."""
    low, high = max(first, 32), min(last, 126)
    if low > high:
        low, high = first, min(last, first + CLASS_CHARS_MAX - 1)
    chosen = "".join(map(chr, range(low, high + 1)))
    if not chosen:
        raise UnsupportedPattern
    return _without_surrogates(chosen)


def _without_surrogates(characters: str) -> str:
    """The characters. Raises `UnsupportedPattern` where a lone surrogate is among them: no JSON text may contain it."""
    if any("\ud800" <= character <= "\udfff" for character in characters):
        raise UnsupportedPattern
    return characters
