"""The results of the last searches: each owner's own, for an hour, and not too many."""

from __future__ import annotations

import pytest

from penstock.ports import SearchQuery, SearchResult
from penstock.tools.web_search import result_cache
from penstock.tools.web_search.result_cache import ENTRIES_MAX, ResultCache

FOUND = [SearchResult(url="https://a.example/")]


def query(text: str) -> SearchQuery:
    return SearchQuery(text=text, results_max=5, snippet_chars=300)


def test_results_are_their_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(result_cache.time, "monotonic", lambda: now)
    cache = ResultCache()
    cache.put("alice", query("a"), FOUND)
    assert cache.get("alice", query("a")) == FOUND
    assert cache.get("bob", query("a")) is None
    assert cache.get("alice", query("b")) is None
    now += 3_601
    assert cache.get("alice", query("a")) is None


def test_the_oldest_results_are_dropped() -> None:
    cache = ResultCache()
    for number in range(ENTRIES_MAX + 1):
        cache.put("", query(str(number)), FOUND)
    assert cache.get("", query("0")) is None
    assert cache.get("", query("1")) == FOUND
