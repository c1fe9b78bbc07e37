"""The usage of a reply that is passed through, a JSON body or a stream of chunks. Only the end of the reply is read.

Backends write it at the end: as the last field but a few of a body, and in one of the last chunks.
"""

from __future__ import annotations

import msgspec

from penstock import lenient
from penstock.patterns import lazy_pattern
from penstock.wire import Usage

from .usage import ReadUsage, read_usage

_NAME = b'"usage"'
"""A text cannot contain it: its quotes would be escaped."""
_VALUE = lazy_pattern(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_decode = msgspec.json.Decoder(ReadUsage).decode


def passed_usage(end: bytes) -> Usage | None:
    """The last usage in the end of a reply. None where there is none, or where it counts no tokens."""
    start = end.rfind(_NAME)
    found = _VALUE.match(end, start) if start >= 0 else None
    return read_usage(_read(found[1])) if found else None


def _read(data: bytes) -> ReadUsage:
    try:
        return _decode(data)
    except msgspec.DecodeError:
        """Some of its values are no counts."""
    try:
        return lenient.fit(lenient.loads(data), ReadUsage)
    except ValueError:
        return ReadUsage()
