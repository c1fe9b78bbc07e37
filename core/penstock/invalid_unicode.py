"""Invalid Unicode in JSON, as backends send it that split a token within a character.

It replaces lone surrogates and invalid UTF-8 by U+FFFD, and changes nothing else.
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


def _replaced(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["lone"] else escape[0]
