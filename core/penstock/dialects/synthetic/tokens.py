"""Tokens: how a text falls into pieces, and what a text, an image or an item is counted as.

The rule is short enough to be told. A text is estimated at one token for every four bytes of its UTF-8, begun ones
included. What is spoken falls into pieces, and there a piece is a token: a word of up to seven letters with the space
before it, four letters of a longer one, two of another script, three digits, two marks. It knows no real vocabulary.
"""

from __future__ import annotations

import re

TOKEN_BYTES = 4
"""UTF-8 bytes of an average token."""
ITEM_TOKENS = 4
"""What an item costs beside its text: its role and its bounds."""
IMAGE_TOKENS = 765
"""An image of any size."""
FILE_TOKENS = 1_000
"""A file or a sound of any length."""

split = re.compile(
    r" ?[A-Za-z]{1,7}(?![A-Za-z])"
    r"| ?[A-Za-z]{4}"
    r"| ?[0-9]{1,3}"
    r"| ?(?:(?![A-Za-z0-9_])\w){1,2}"
    r"| ?[^\w\s]{1,2}"
    r"|_"
    r"|\s+"
).findall
"""The pieces of a text; together they are the text again."""


def count_tokens(text: str) -> int:
    """The estimate for a text, in tokens."""
    size_bytes = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size_bytes // TOKEN_BYTES)
