"""The inputs of completions and embeddings, in the four forms of OpenAI's API."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from penstock.dialects.chat_completions.serve.inputs import Input, read_inputs
from penstock.dialects.synthetic import vocabulary
from penstock.errors import ApiError

TOKENS = vocabulary.tokens_of("Hello!")


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("Hello!", ["Hello!"]),
        (["Hello!", ""], ["Hello!", ""]),
        (TOKENS, ["Hello!"]),
        ([TOKENS, [98]], ["Hello!", "a"]),
    ],
    ids=["text", "texts", "tokens", "lists of tokens"],
)
def test_every_form(given: Any, texts: list[str]) -> None:
    read = read_inputs(msgspec.Raw(json.dumps(given).encode()), "prompt", vocabulary)
    assert read == [Input(text, vocabulary.count_tokens(text)) for text in texts]


@pytest.mark.parametrize(
    ("given", "param", "words"),
    [
        ([], "prompt", "empty list"),
        ({}, "prompt", "expected a text"),
        ([[["a"]]], "prompt", "expected a text"),
        ([-1], "prompt", "expected a text"),
        ([1, "a"], "prompt", "expected a text"),
        ([[2**40], [1]], "prompt[0]", "is not a token"),
        ([2**40], "prompt", "is not a token of this model"),
        ([[1], [2**40]], "prompt[1]", "is not a token of this model"),
    ],
)
def test_what_is_no_input(given: Any, param: str, words: str) -> None:
    with pytest.raises(ApiError, match=words) as raised:
        read_inputs(msgspec.Raw(json.dumps(given).encode()), "prompt", vocabulary)
    assert (raised.value.status, raised.value.param) == (400, param)
