"""Invalid Unicode in JSON, as programs send it that split a text within a character.

It finds lone surrogates, or replaces them and invalid UTF-8 by U+FFFD, and changes nothing else.
"""

from __future__ import annotations

import re

from penstock.patterns import lazy_pattern

_ESCAPES = lazy_pattern(
    rb"""(?xs)
    \\u[dD][89abAB][0-9a-fA-F]{2} \\u[dD][c-fC-F][0-9a-fA-F]{2}  # a surrogate pair, which is valid
    | (?P<lone> \\u[dD][89a-fA-F][0-9a-fA-F]{2} )
    | \\.                                                         # any other escape, such as an escaped backslash
    """
)


def replace_lone_surrogates(json: bytes) -> bytes:
    """The JSON with U+FFFD for every lone surrogate, and for bytes that are no UTF-8."""
    text = json.decode(errors="replace").encode()
    return _ESCAPES.sub(_replaced, text)


def lone_surrogate_at(json: bytes) -> int | None:
    """The offset of the first lone surrogate."""
    return next((escape.start() for escape in _ESCAPES.finditer(json) if escape["lone"]), None)


def _replaced(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["lone"] else escape[0]
