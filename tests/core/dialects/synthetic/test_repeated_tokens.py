"""Repeated tokens are a list of any length in the memory of a short one."""

from __future__ import annotations

from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dialects.synthetic.repeated_tokens import RepeatedTokens, first, joined


@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=5), st.integers(0, 30), st.slices(30))
def test_it_is_the_list_that_it_stands_for(tokens: list[str], length: int, at: slice) -> None:
    repeated, plain = RepeatedTokens(tokens, length), list(islice(cycle(tokens), length))
    at = slice(at.start, at.stop)
    assert (len(repeated), list(repeated), repeated[at]) == (len(plain), plain, plain[at])
    assert [repeated[index] for index in range(-length, length)] == plain * 2
    assert joined(repeated) == joined(plain) == "".join(plain)
    assert list(first(repeated, 7)) == first(plain, 7)


def test_an_index_beyond_the_end_is_an_error() -> None:
    with pytest.raises(IndexError):
        RepeatedTokens(["a"], 3)[3]


def test_a_cut_of_many_tokens_is_repeated_too() -> None:
    assert isinstance(first(RepeatedTokens(["a"], 10**12), 10**11), RepeatedTokens)
