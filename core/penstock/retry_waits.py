"""How long an upstream wants a client to wait, in any of the forms that upstreams have for it.

It knows headers and the words of error messages. It never reads a clock: a date counts from the date of the reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from penstock.patterns import lazy_pattern

_WAIT_MAX_S = 86_400
"""A longer wait, from a day on, is taken for a mistake of the upstream."""
_BODY_CHARS_MAX = 20_000
"""How much of a body is searched."""

_PIECE = r"[\d.]+ ?(?:ms|milliseconds?|h|hours?|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])"
_DURATION = lazy_pattern(rf"(?i)(?:{_PIECE}[ ,]*)+")
_PIECES = lazy_pattern(r"(?i)([\d.]+) ?(ms|milli|h|m|s)")
_UNITS_S = {"ms": 0.001, "milli": 0.001, "h": 3_600.0, "m": 60.0, "s": 1.0}
"""Each unit by its beginning."""
_WORDS = lazy_pattern(rf"(?i)\b(?:try|retry)\b.{{0,20}}?\b(?:in|after)\s+((?:{_PIECE}[ ,]*)+)")
_FIELD = lazy_pattern(r'(?i)"(?:retryDelay|retry_?after(?:_s|_seconds)?)"\s*:\s*"?([\d.]+)s?"?\s*[,}\]]')
_LIMITED = ("requests", "tokens")
"""What limits of a rate count."""


def wait_s(headers: Mapping[str, str], body: bytes = b"") -> float | None:
    """The wait in seconds; None where the upstream reports none."""
    # spec: waits
    waits = chain(_in_headers(headers), _in_words(body[:_BODY_CHARS_MAX].decode(errors="replace")))
    return next((wait for wait in waits if 0 <= wait < _WAIT_MAX_S), None)


def _in_headers(headers: Mapping[str, str]) -> Iterator[float]:
    yield from (wait / 1000 for wait in _number(headers.get("retry-after-ms", "")))
    retry_after = headers.get("retry-after", "")
    yield from _number(retry_after)
    yield from _date(retry_after, headers.get("date", ""))
    yield from _duration(retry_after)
    exhausted = [name for name in _LIMITED if headers.get(f"x-ratelimit-remaining-{name}") == "0"]
    resets = [
        wait for name in exhausted or _LIMITED for wait in _duration(headers.get(f"x-ratelimit-reset-{name}", ""))
    ]
    if resets:
        yield max(resets)


def _in_words(body: str) -> Iterator[float]:
    for found in _FIELD.findall(body):
        yield from _number(found)
    for found in _WORDS.findall(body):
        yield from _duration(found)


def _number(text: str, unit: float = 1.0) -> Iterator[float]:
    try:
        yield float(text) * unit
    except ValueError:
        return


def _duration(text: str) -> Iterator[float]:
    """Such as `6m1.5s`, or `2 minutes`."""
    if _DURATION.fullmatch(text.strip()):
        pieces = (_number(number, _UNITS_S[unit.lower()]) for number, unit in _PIECES.findall(text))
        yield sum(chain.from_iterable(pieces))


def _date(text: str, reply_date: str) -> Iterator[float]:
    """The time from the date of the reply to this date."""
    from email.utils import parsedate_to_datetime  # few upstreams send one

    try:
        yield (parsedate_to_datetime(text) - parsedate_to_datetime(reply_date)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return
