"""Characters that JSON or UTF-8 only half says, as backends send them that split a token within a character.

It knows bytes, and puts U+FFFD where no whole character can be had; what is whole it leaves as it is.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    rb"""(?xs)
    \\u[dD][89abAB][0-9a-fA-F]{2} \\u[dD][c-fC-F][0-9a-fA-F]{2}  # a pair, which is whole
    | (?P<half> \\u[dD][89a-fA-F][0-9a-fA-F]{2} )
    | \\.                                                         # any other escape, an escaped backslash above all
    """
)


def replace_lone_surrogates(json: bytes) -> bytes:
    """The JSON with U+FFFD for every half of a surrogate pair, and for bytes that are no UTF-8."""
    text = json.decode(errors="replace").encode()
    return _ESCAPES.sub(_whole, text)


def _whole(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["half"] else escape[0]
