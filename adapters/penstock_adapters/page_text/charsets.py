"""The charset of a text: that of its header, that in its HTML, or UTF-8."""

from __future__ import annotations

import codecs
import re

_TEXT = re.compile(
    r"utf-?(8|8-sig|16|16-le|16-be)|ascii|iso8859-\d+|cp\d+|koi8-[rut]|gb\w+|big5\w*|euc_\w+|shift_jis\w*"
)
"""The codecs of texts. Others of Python's codecs are no charsets, and some take quadratic time."""
_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]{1,40})""", re.IGNORECASE)
_CHARACTER_BYTES_MAX = 4
_META_WITHIN = 4_096
"""How many bytes at the beginning may contain it."""


def decoded(body: bytes, charset: str, *, is_html: bool, is_cut: bool = False) -> str:
    """The text. Bytes that are wrong in its charset become U+FFFD. A text that is cut may end within a character."""
    names = [charset]
    if is_html and (meta := _META.search(body, 0, _META_WITHIN)):
        names.append(meta[1].decode())
    for name in names:
        if codec := _codec(name):
            return body.decode(codec, "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_cut_character = is_cut and error.start > len(body) - _CHARACTER_BYTES_MAX
        return body.decode("utf-8-sig" if is_cut_character else "cp1252", "replace")


def _codec(name: str) -> str:
    """The codec of a charset. Empty where there is none."""
    try:
        found = codecs.lookup(name).name if name.isascii() else ""
    except (LookupError, ValueError):
        return ""
    if found in ("iso8859-1", "ascii"):
        return "cp1252"  # as browsers do
    return found if _TEXT.fullmatch(found) else ""
