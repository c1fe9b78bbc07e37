"""Tavily, by its Search API (https://docs.tavily.com/documentation/api-reference/endpoint/search)."""

from __future__ import annotations

import msgspec

from penstock.ports import HttpRequest, SearchQuery, SearchResult

URL = "https://api.tavily.com"
_COUNT_MAX = 20


class _Request(msgspec.Struct, kw_only=True, omit_defaults=True):
    query: str
    max_results: int
    include_domains: list[str] = []
    exclude_domains: list[str] = []


class _Result(msgspec.Struct):
    url: str
    title: str | None = None
    content: str | None = None
    published_date: str | None = None


class _Body(msgspec.Struct):
    results: list[_Result]


_decode = msgspec.json.Decoder(_Body).decode
_encode = msgspec.json.Encoder().encode


def request(query: SearchQuery, key: str) -> HttpRequest:
    """The request for a query. Tavily knows countries by names only, so it gets none."""
    body = _Request(
        query=query.text,
        max_results=min(query.results_max, _COUNT_MAX),
        include_domains=list(query.allowed_domains),
        exclude_domains=list(query.blocked_domains),
    )
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {key}")]
    return HttpRequest(method="POST", path="/search", headers=headers, body=_encode(body))


def results(body: bytes) -> list[SearchResult]:
    """The results."""
    return [
        SearchResult(url=each.url, title=each.title or "", snippet=each.content or "", date=each.published_date or "")
        for each in _decode(body).results
    ]
