"""Tokens: how a text is split, and how many tokens a text, an image or an item counts as.

An input text counts as one token for every four bytes of its UTF-8, rounded up. An output text is split, and each piece
is a token: a word of up to seven letters with the space before it, four letters of a longer word, two letters of
another script, three digits, two other characters. It knows no vocabulary of a real model.
"""

from __future__ import annotations

import re

TOKEN_BYTES = 4
"""UTF-8 bytes of an average token."""
ITEM_TOKENS = 4
"""The tokens of an item beside its text: for its role and its delimiters."""
IMAGE_TOKENS = 765
"""The tokens of an image of any size."""
FILE_TOKENS = 1_000
"""The tokens of a file or of audio of any length."""

split = re.compile(
    r" ?[A-Za-z]{1,7}(?![A-Za-z])"
    r"| ?[A-Za-z]{4}"
    r"| ?[0-9]{1,3}"
    r"| ?(?:(?![A-Za-z0-9_])\w){1,2}"
    r"| ?[^\w\s]{1,2}"
    r"|_"
    r"|\s+"
).findall
"""The pieces of a text. Joined, they are the text again."""


def count_tokens(text: str) -> int:
    """The estimated tokens of a text."""
    size_bytes = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size_bytes // TOKEN_BYTES)
