"""The synthetic model's tokens and vectors: every text has its tokens, and they are the text again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dialects.synthetic.embedding import unit_vector
from penstock.dialects.synthetic.vocabulary import TOKEN_MAX, count_tokens, prompt_tokens, text_of, tokens_of
from penstock.ports import Turn
from penstock.wire import CreateResponse, FunctionTool, InputImage, InputText, Message


@given(st.text(st.characters(codec="utf-8")))
def test_tokens_are_the_text_again(text: str) -> None:
    tokens = tokens_of(text)
    assert text_of(tokens) == text
    assert len(tokens) == count_tokens(text)
    assert all(0 < token <= TOKEN_MAX < 2**53 for token in tokens)


@given(st.lists(st.integers(0, TOKEN_MAX), max_size=20))
def test_every_number_up_to_the_last_token_has_a_text(tokens: list[int]) -> None:
    assert isinstance(text_of(tokens), str)


@given(st.binary(min_size=1, max_size=4))
def test_each_string_of_bytes_has_its_own_token(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    assert text_of(tokens_of(text)) == text


def test_the_ends_of_the_vocabulary() -> None:
    assert text_of([0]) == ""
    assert [text_of([token]) for token in (1, 98)] == ["\0", "a"]
    assert tokens_of("\0\0") == [257]
    for token in (-1, TOKEN_MAX + 1):
        with pytest.raises(ValueError, match="is not a token of this model"):
            text_of([token])


def test_the_tokens_of_a_turn_are_as_many_as_its_usage_reports() -> None:
    turn = Turn(
        model="synthetic",
        request=CreateResponse(tools=[FunctionTool(name="f")]),
        items=[
            Message(role="system", content="Be brief."),
            Message(role="user", content=[InputText(text="Look!"), InputImage(image_url="data:,")]),
        ],
    )
    tokens = prompt_tokens(turn)
    assert text_of(tokens) == "Be brief.\nLook!"
    assert len(tokens) == 4 + 4 + 4 + 765


@given(st.text(st.characters(codec="utf-8")), st.integers(1, 64))
def test_a_vector_has_the_length_one(text: str, dimensions: int) -> None:
    vector = unit_vector(text, dimensions)
    assert len(vector) == dimensions
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
    assert vector == unit_vector(text, dimensions)
