"""Regular expressions that are compiled with their first use."""

import re

import pytest

from penstock import patterns
from penstock.patterns import lazy_pattern


def test_it_matches_as_a_pattern_does() -> None:
    word = lazy_pattern("[a-z]+", re.IGNORECASE)
    assert word.findall("Ab cd") == ["Ab", "cd"]
    assert word.fullmatch("a1") is None
    assert lazy_pattern(b"a").sub(b"b", b"aa") == b"bb"


def test_it_is_compiled_once_and_not_before_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    real = re.compile
    monkeypatch.setattr(patterns.re, "compile", lambda *given: compiled.append(given) or real(*given))
    word = lazy_pattern("a+")
    assert compiled == []
    assert word.match("a")
    assert word.match("aa")
    assert compiled == [("a+", 0)]


def test_what_no_pattern_has_is_missing_here_too() -> None:
    with pytest.raises(AttributeError, match="matches"):
        lazy_pattern("a").matches  # noqa: B018
