"""Texts that match a regular expression of the common kind.

It knows what the patterns of JSON schemas are made of: characters, classes, groups, alternatives and repetitions;
anchors are where a text begins and ends anyway. What it does not know (assertions, references, properties of
characters) ends in `Unwritable`. It never runs a pattern: a client's may be made to run for years.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from .seeded_random import Chance
from .work import Work

PATTERN_CHARS_MAX = 1_000
TEXT_CHARS_MAX = 2_000
"""How long a text for a pattern may become, repetitions of nothing included."""
EXTRA_REPEATS = 4
"""How often more than it must, at most, a part is repeated where nothing else is said."""
NESTING_MAX = 20
CHARACTER_WORK = 4
"""What reading one character of a pattern costs."""
CLASS_CHARS_MAX = 100
"""How many of a class's characters beyond the printable ones are thought of."""

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
"""A character beyond the first 65,536, as JavaScript's patterns write it."""
_ANCHOR = re.compile(r"[\^$]|\\[AZz]")


class Unwritable(Exception):
    """A pattern for which no text can be written here."""


class Pen:
    """What writes a text: by chance, or with `extra` repetitions of every part that may be repeated."""

    def __init__(self, chance: Chance, work: Work, extra: int | None = None) -> None:
        self.chance = chance
        self._work = work
        self._extra = extra
        self._chars_left = TEXT_CHARS_MAX

    def character(self, choices: str) -> str:
        """One of these characters."""
        self._spend()
        return self.chance.pick(choices)

    def times(self, low: int, high: int) -> int:
        """How often a part is repeated this time."""
        if self._extra is None:
            return low + self.chance.below(min(EXTRA_REPEATS, high - low) + 1)
        return min(low + self._extra, high)

    def repeated(self, write: Writer, times: int) -> str:
        """A part so many times."""
        pieces: list[str] = []
        for _ in range(times):
            self._spend()
            pieces.append(write(self))
        return "".join(pieces)

    def _spend(self) -> None:
        self._chars_left -= 1
        if self._chars_left < 0:
            raise Unwritable
        self._work.spend(1)


Writer: TypeAlias = Callable[[Pen], str]


def writer(pattern: str) -> Writer:
    """Reads a pattern; what comes back writes texts that match it. Raises `Unwritable`."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise Unwritable
    return _Reader(pattern).whole()


class Patterns:
    """Writes texts for the patterns of one document, each of which is read once."""

    def __init__(self, chance: Chance, work: Work) -> None:
        self._chance = chance
        self._work = work
        self._writers: dict[str, Writer | None] = {}

    def text(self, pattern: str, extra: int | None = None) -> str:
        """A text that matches. Raises `Unwritable`."""
        if pattern not in self._writers:
            self._writers[pattern] = self._read(pattern)
        write = self._writers[pattern]
        if write is None:
            raise Unwritable
        return write(Pen(self._chance, self._work, extra))

    def _read(self, pattern: str) -> Writer | None:
        self._work.spend(CHARACTER_WORK * min(len(pattern), PATTERN_CHARS_MAX))
        try:
            return writer(pattern)
        except Unwritable:
            return None


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def whole(self) -> Writer:
        """The pattern, to its end."""
        write = self._alternatives(0)
        if self._at < len(self._pattern):
            raise Unwritable
        return write

    def _alternatives(self, nesting: int) -> Writer:
        """Everything up to the end of the group, or of the pattern."""
        if nesting > NESTING_MAX:
            raise Unwritable
        choices = [self._sequence(nesting)]
        while self._take("|"):
            choices.append(self._sequence(nesting))
        return choices[0] if len(choices) == 1 else lambda pen: pen.chance.pick(choices)(pen)

    def _sequence(self, nesting: int) -> Writer:
        parts: list[Writer] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            if not self._match(_ANCHOR):
                parts.append(self._repeated(self._atom(nesting)))
        return lambda pen: "".join([part(pen) for part in parts])

    def _repeated(self, write: Writer) -> Writer:
        """The part that was just read, with what follows it if that is a count."""
        count = self._match(_COUNT)
        if not count:
            return write
        low, high = _bounds(count)
        return lambda pen: pen.repeated(write, pen.times(low, high))

    def _atom(self, nesting: int) -> Writer:
        if self._match(_GROUP):
            write = self._alternatives(nesting + 1)
            if not self._take(")"):
                raise Unwritable
            return write
        if self._take("["):
            return _one_of(self._class())
        if self._take("."):
            return _one_of(_LETTERS + _DIGITS)
        return _one_of(self._escaped() if self._take("\\") else self._plain())

    def _plain(self) -> str:
        character = self._next()
        if character in "(*+?":  # a group of a kind that is not known, or nothing to repeat
            raise Unwritable
        return character

    def _class(self) -> str:
        """What may stand for a class in brackets."""
        negated = self._take("^")
        chosen = self._members()
        while not self._take("]"):
            chosen += self._members()
        if negated:
            chosen = "".join([character for character in _PRINTABLE if character not in chosen])
        if not chosen:
            raise Unwritable
        return chosen

    def _members(self) -> str:
        """A character, a range or a set within brackets."""
        first = self._escaped() if self._take("\\") else self._next()
        if len(first) != 1 or self._pattern[self._at : self._at + 1] != "-":
            return first
        if self._pattern[self._at + 1 : self._at + 2] == "]":
            return first
        self._next()
        last = self._escaped() if self._take("\\") else self._next()
        return _range(ord(first), ord(last)) if len(last) == 1 else f"{first}-{last}"

    def _escaped(self) -> str:
        """What may stand for an escape, its backslash read."""
        if pair := self._match(_PAIR):
            return bytes.fromhex(pair[1] + pair[2]).decode("utf-16-be")
        if code := self._match(_HEX):
            return _whole(chr(int(code[1] or code[2], 16)))
        letter = self._next()
        if letter.lower() in _SETS:
            chosen = _SETS[letter.lower()]
            return chosen if letter.islower() else "".join([c for c in _PRINTABLE if c not in chosen])
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter.isalnum():  # a reference, a boundary, a property
            raise Unwritable
        return letter

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise Unwritable
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


def _one_of(choices: str) -> Writer:
    return lambda pen: pen.character(choices)


def _bounds(count: re.Match[str]) -> tuple[int, int]:
    if count["sign"]:
        return _SIGNS[count["sign"]]
    low = int(count["low"])
    if not count["comma"]:
        return low, low
    high = int(count["high"]) if count["high"] else low + TEXT_CHARS_MAX
    if high < low:
        raise Unwritable
    return low, high


def _range(first: int, last: int) -> str:
    """A range's printable ASCII characters, else its first ones."""
    low, high = max(first, 32), min(last, 126)
    if low > high:
        low, high = first, min(last, first + CLASS_CHARS_MAX - 1)
    chosen = "".join(map(chr, range(low, high + 1)))
    if not chosen:
        raise Unwritable
    return _whole(chosen)


def _whole(characters: str) -> str:
    """The characters, if no text in the world may not have them: half of a pair stands for nothing by itself."""
    if any("\ud800" <= character <= "\udfff" for character in characters):
        raise Unwritable
    return characters
