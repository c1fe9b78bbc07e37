"""The vocabulary: numbers for tokens, so that clients can send and receive tokens in place of texts.

A token is four bytes of UTF-8, and the last token of a text may have less. The numbers from 1 on count all strings of
one byte, then those of two, three and four bytes, so that each number has one text, and each text its numbers. Token 0
has no text: it stands for what a chat has beside its texts, such as roles and tools.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from penstock.ports import Turn

from .prompt_view import read_prompt
from .tokens import TOKEN_BYTES, count_tokens

_FIRST = (0, 1, 257, 65_793, 16_843_009)
"""The first token of each number of bytes."""
TOKEN_MAX = _FIRST[TOKEN_BYTES] + 2 ** (8 * TOKEN_BYTES) - 1
"""The last token."""


def tokens_of(text: str) -> list[int]:
    """The tokens of a text."""
    data = text.encode("utf-8", "surrogatepass")
    whole = len(data) // TOKEN_BYTES
    first = _FIRST[TOKEN_BYTES]
    tokens = [first + number for number in struct.unpack_from(f">{whole}I", data)]
    if rest := data[whole * TOKEN_BYTES :]:
        tokens.append(_FIRST[len(rest)] + int.from_bytes(rest, "big"))
    return tokens


def text_of(tokens: Sequence[int]) -> str:
    """The text of tokens. Bytes that are not UTF-8 are replaced. Raises `ValueError` for a number that is no token."""
    return b"".join(map(_bytes_of, tokens)).decode("utf-8", "replace")


def prompt_tokens(turn: Turn) -> list[int]:
    """The tokens of a turn, as many as its usage reports. Raises `ApiError` for a turn that cannot be answered."""
    prompt = read_prompt(turn)
    tokens = tokens_of(prompt.text)
    return [0] * (prompt.input_tokens - len(tokens)) + tokens


def _bytes_of(token: int) -> bytes:
    if not 0 <= token <= TOKEN_MAX:
        raise ValueError(f"{token} is not a token of this model, whose last token is {TOKEN_MAX}")
    size = TOKEN_BYTES
    while token < _FIRST[size]:
        size -= 1
    return (token - _FIRST[size]).to_bytes(size, "big") if size else b""


__all__ = ["TOKEN_MAX", "count_tokens", "prompt_tokens", "text_of", "tokens_of"]
