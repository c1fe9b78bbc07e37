"""Strings: the user's words, or the format that a schema asks for.

It knows `format`, `pattern` and lengths. It ignores an unsupported pattern and an unknown format: then the string is
made of words and has the right length. Where a string has a format, its lengths are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .pattern import Patterns, UnsupportedPattern
from .phrases import FALLBACK_WORDS
from .schema import NoValue, Schema
from .seeded_random import SeededRandom

EXTRA_TRIED_MAX = 64
"""How many numbers of repetitions are tried to reach the length that a schema asks for."""


class WordSource:
    """The words for free strings: the user's, then ours, then all of them numbered. A phrase has up to `words_max`.

    `urls` are the user's URLs.
    """

    def __init__(self, words: Sequence[str], words_max: int, random: SeededRandom, urls: Sequence[str] = ()) -> None:
        self._urls = iter(urls)
        self._words = (*words, *FALLBACK_WORDS)
        self._words_max = words_max
        self._random = random
        self._at = 0

    def word(self) -> str:
        """The next word. Words repeat only where the user's do."""
        rounds, at = divmod(self._at, len(self._words))
        self._at += 1
        return f"{self._words[at]}{rounds + 1}" if rounds else self._words[at]

    def phrase(self) -> str:
        """The next few words."""
        return " ".join([self.word() for _ in range(1 + self._random.below(self._words_max))])

    def url(self) -> str:
        """The next URL of the user, then ones of ours."""
        return next(self._urls, None) or f"https://example.com/{self.slug()}"

    def slug(self) -> str:
        """The next word, with only those characters that a host name and a path may contain."""
        letters = "".join([letter for letter in self.word().lower() if letter.isascii() and letter.isalnum()])
        return letters[:20] or self._random.pick(FALLBACK_WORDS)


def text(schema: Schema, random: SeededRandom, words: WordSource, patterns: Patterns) -> str:
    """A string for a plain schema. Raises `NoValue` where its lengths contradict each other."""
    if schema.max_length is not None and schema.max_length < schema.min_length:
        raise NoValue("'maxLength' is less than 'minLength'.")
    if schema.format in _FORMATS:
        return _FORMATS[schema.format](random, words)
    if schema.pattern is not None:
        try:
            return _text_for_pattern(schema, schema.pattern, patterns)
        except UnsupportedPattern:
            pass
    return _text_of_words(schema, words)


def _text_for_pattern(schema: Schema, pattern: str, patterns: Patterns) -> str:
    """A text for the pattern, of the right length if one is found in a few tries."""
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


def _text_of_words(schema: Schema, words: WordSource) -> str:
    """A phrase of the right length: more phrases are added, or it is cut."""
    phrases = [words.phrase()]
    length = len(phrases[0])
    while length < schema.min_length:
        phrases.append(words.phrase())
        length += 1 + len(phrases[-1])
    return " ".join(phrases)[: schema.max_length]


def _date(random: SeededRandom, _: WordSource) -> str:
    return f"20{random.between(10, 39)}-{random.between(1, 12):02}-{random.between(1, 28):02}"


def _time(random: SeededRandom, _: WordSource) -> str:
    return f"{random.below(24):02}:{random.below(60):02}:{random.below(60):02}Z"


def _duration(random: SeededRandom, _: WordSource) -> str:
    return f"P{random.between(1, 30)}DT{random.between(1, 23)}H"


def _uuid(random: SeededRandom, _: WordSource) -> str:
    digits = random.hex(30)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:30]}"


def _hostname(_: SeededRandom, words: WordSource) -> str:
    return f"{words.slug()}.example.com"


def _uri(_: SeededRandom, words: WordSource) -> str:
    return words.url()


def _path(_: SeededRandom, words: WordSource) -> str:
    return f"/{words.slug()}"


def _email(_: SeededRandom, words: WordSource) -> str:
    return f"{words.slug()}@example.com"


_FORMATS: dict[str | None, Callable[[SeededRandom, WordSource], str]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda random, words: f"{_date(random, words)}T{_time(random, words)}",
    "duration": _duration,
    "uuid": _uuid,
    "email": _email,
    "idn-email": _email,
    "hostname": _hostname,
    "idn-hostname": _hostname,
    "ipv4": lambda random, _: f"192.0.2.{random.between(1, 254)}",
    "ipv6": lambda random, _: f"2001:db8::{random.between(1, 65_535):x}",
    "uri": _uri,
    "url": _uri,
    "iri": _uri,
    "uri-reference": _path,
    "iri-reference": _path,
    "uri-template": _path,
    "json-pointer": _path,
    "regex": lambda _, words: f"^{words.slug()}$",
}
