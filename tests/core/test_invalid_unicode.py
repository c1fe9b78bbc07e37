"""Halves of characters, as JSON escapes and as bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.invalid_unicode import lone_surrogate_at, replace_lone_surrogates
from requirements import shows

HALVES = {
    "the first half": (rb'"a\ud83d"', "a\ufffd"),
    "the second half": (rb'"\uDE00a"', "\ufffda"),
    "halves in the wrong order": (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
    "a half before a whole": (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
    "a whole before a half": (rb'"\ud83d\ude00\ude00"', "😀\ufffd"),
    "a half before another escape": (rb'"\ud83d\n\u0041"', "\ufffd\nA"),
    "what only looks like one": (rb'"\\ud83d"', r"\ud83d"),
    "a half behind a backslash": (rb'"\\\ud83d"', "\\\ufffd"),
    "bytes that are no UTF-8": (b'"a\xf0\x9f"', "a\ufffd"),
    "a half as bytes": (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
}


@shows("half-characters")
@pytest.mark.parametrize(("data", "read"), HALVES.values(), ids=HALVES)
def test_a_half_is_replaced(data: bytes, read: str) -> None:
    assert json.loads(replace_lone_surrogates(data)) == read


@given(st.text(), st.booleans())
def test_what_is_whole_stays_as_it_is(text: str, is_ascii: bool) -> None:
    data = json.dumps(text.encode("utf-16", "replace").decode("utf-16"), ensure_ascii=is_ascii).encode()
    assert replace_lone_surrogates(data) == data


@pytest.mark.parametrize(
    ("json", "at"),
    [
        (rb'"\ud800"', 1),
        (rb'"a\udc00b"', 2),
        (rb'"\ud83d\ude00"', None),
        (rb'"\ud83d\ude00\ud83d"', 13),
        (rb'"\ud83d\ud83d\ude00"', 1),
        (rb'"\\ud800"', None),
        (b'""', None),
    ],
)
def test_a_lone_surrogate_is_found(json: bytes, at: int | None) -> None:
    assert lone_surrogate_at(json) == at
