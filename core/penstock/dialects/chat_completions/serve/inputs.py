"""The inputs of completions and embeddings: texts, or lists of token ids.

It knows the four forms that OpenAI's API has for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from penstock.errors import ApiError, invalid
from penstock.patterns import lazy_pattern

from .requests import TokenId

_decode = msgspec.json.Decoder(str | list[str | TokenId | list[TokenId]]).decode
_LIST_OF_INPUTS = lazy_pattern(rb'\[\s*[\["]')


class Input(msgspec.Struct):
    """One input, and the number of its tokens."""

    text: str
    tokens: int


class Tokenizer(Protocol):
    """Converts texts to tokens, and back."""

    def count_tokens(self, text: str) -> int:
        """The number of tokens of a text."""

    def tokens_of(self, text: str) -> list[int]:
        """The tokens of a text."""

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of tokens. Raises `ValueError` for a number that is no token."""


def is_list_of_inputs(raw: msgspec.Raw) -> bool:
    """Whether the JSON of inputs is a list of texts or of lists, and no text or list of tokens."""
    return _LIST_OF_INPUTS.match(memoryview(raw)) is not None


def read_inputs(raw: msgspec.Raw, param: str, tokenizer: Tokenizer) -> list[Input]:
    """The inputs of a request. Raises `ApiError` 400 for other JSON, and for an empty or mixed list."""
    try:
        given = _decode(raw)
    except msgspec.ValidationError:
        raise _mixed(param) from None
    if isinstance(given, str):
        return [Input(given, tokenizer.count_tokens(given))]
    if not given:
        raise invalid(f"Invalid '{param}': it cannot be an empty list.", param, "array_below_min_length")
    kind = type(given[0])
    if any(type(each) is not kind for each in given):
        raise _mixed(param)
    if kind is int:
        return [_of_tokens(given, param, tokenizer)]
    if kind is str:
        return [Input(text, tokenizer.count_tokens(text)) for text in given]
    return [_of_tokens(tokens, f"{param}[{index}]", tokenizer) for index, tokens in enumerate(given)]


def _of_tokens(tokens: Sequence[int], param: str, tokenizer: Tokenizer) -> Input:
    return Input(read_tokens(tokens, param, tokenizer), len(tokens))


def read_tokens(tokens: Sequence[int], param: str, tokenizer: Tokenizer) -> str:
    """The text of a client's tokens. Raises `ApiError` 400 for a number that is no token."""
    try:
        return tokenizer.text_of(tokens)
    except ValueError as error:
        raise invalid(f"Invalid '{param}': {error}.", param, "invalid_value") from None


def _mixed(param: str) -> ApiError:
    message = f"Invalid '{param}': expected a text, or a list of texts, of token ids, or of lists of token ids."
    return invalid(message, param, "invalid_type")
