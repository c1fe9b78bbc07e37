"""Strings: words of the user's, or the form that a schema asks for.

It knows `format`, `pattern` and lengths. A pattern that it cannot write, and a format that it does not know, it passes
over: then the string is of the right length and says something. Where a string has a format, lengths are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .pattern import Patterns, Unwritable
from .phrases import STRAY_WORDS
from .schema import NoValue, Schema
from .seeded_random import Chance

EXTRA_TRIED_MAX = 64
"""How many repetitions are tried to bring a pattern's text to the length that is asked for."""


class Wording:
    """The words for free strings: the user's, then ours, then all of them numbered. `words_max` make a phrase."""

    def __init__(self, words: Sequence[str], words_max: int, chance: Chance) -> None:
        self._words = (*words, *STRAY_WORDS)
        self._words_max = words_max
        self._chance = chance
        self._at = 0

    def word(self) -> str:
        """The next word; no two are the same unless the user said them twice."""
        again, at = divmod(self._at, len(self._words))
        self._at += 1
        return f"{self._words[at]}{again + 1}" if again else self._words[at]

    def phrase(self) -> str:
        """The next few words."""
        return " ".join([self.word() for _ in range(1 + self._chance.below(self._words_max))])

    def slug(self) -> str:
        """The next word as it may stand in a host's name or a path."""
        letters = "".join([letter for letter in self.word().lower() if letter.isascii() and letter.isalnum()])
        return letters[:20] or self._chance.pick(STRAY_WORDS)


def text(schema: Schema, chance: Chance, wording: Wording, patterns: Patterns) -> str:
    """A string for a plain schema."""
    if schema.max_length is not None and schema.max_length < schema.min_length:
        raise NoValue("'maxLength' is less than 'minLength'.")
    if schema.format in _FORMATS:
        return _FORMATS[schema.format](chance, wording)
    if schema.pattern is not None:
        try:
            return _patterned(schema, schema.pattern, patterns)
        except Unwritable:
            pass
    return _fitted(schema, wording)


def _patterned(schema: Schema, pattern: str, patterns: Patterns) -> str:
    """A text for the pattern, of the right length if one is soon found."""
    first = patterns.text(pattern)
    if _fits(schema, first):
        return first
    for extra in range(EXTRA_TRIED_MAX):
        written = patterns.text(pattern, extra)
        if _fits(schema, written):
            return written
    return first


def _fits(schema: Schema, written: str) -> bool:
    return len(written) >= schema.min_length and (schema.max_length is None or len(written) <= schema.max_length)


def _fitted(schema: Schema, wording: Wording) -> str:
    """A phrase, made longer or cut."""
    phrases = [wording.phrase()]
    length = len(phrases[0])
    while length < schema.min_length:
        phrases.append(wording.phrase())
        length += 1 + len(phrases[-1])
    return " ".join(phrases)[: schema.max_length]


def _date(chance: Chance, _: Wording) -> str:
    return f"20{chance.between(10, 39)}-{chance.between(1, 12):02}-{chance.between(1, 28):02}"


def _time(chance: Chance, _: Wording) -> str:
    return f"{chance.below(24):02}:{chance.below(60):02}:{chance.below(60):02}Z"


def _duration(chance: Chance, _: Wording) -> str:
    return f"P{chance.between(1, 30)}DT{chance.between(1, 23)}H"


def _uuid(chance: Chance, _: Wording) -> str:
    digits = chance.hex(30)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:30]}"


def _hostname(_: Chance, wording: Wording) -> str:
    return f"{wording.slug()}.example.com"


def _uri(_: Chance, wording: Wording) -> str:
    return f"https://example.com/{wording.slug()}"


def _path(_: Chance, wording: Wording) -> str:
    return f"/{wording.slug()}"


def _email(_: Chance, wording: Wording) -> str:
    return f"{wording.slug()}@example.com"


_FORMATS: dict[str | None, Callable[[Chance, Wording], str]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda chance, wording: f"{_date(chance, wording)}T{_time(chance, wording)}",
    "duration": _duration,
    "uuid": _uuid,
    "email": _email,
    "idn-email": _email,
    "hostname": _hostname,
    "idn-hostname": _hostname,
    "ipv4": lambda chance, _: f"192.0.2.{chance.between(1, 254)}",
    "ipv6": lambda chance, _: f"2001:db8::{chance.between(1, 65_535):x}",
    "uri": _uri,
    "url": _uri,
    "iri": _uri,
    "uri-reference": _path,
    "iri-reference": _path,
    "uri-template": _path,
    "json-pointer": _path,
    "regex": lambda _, wording: f"^{wording.slug()}$",
}
