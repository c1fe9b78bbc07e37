"""Exa, by its Search API (https://docs.exa.ai/reference/search)."""

from __future__ import annotations

import msgspec

from penstock.ports import HttpRequest, SearchQuery, SearchResult

URL = "https://api.exa.ai"


class _Text(msgspec.Struct, rename="camel"):
    max_characters: int


class _Contents(msgspec.Struct):
    text: _Text


class _Request(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    query: str
    num_results: int
    contents: _Contents
    include_domains: list[str] = []
    exclude_domains: list[str] = []
    user_location: str = ""


class _Result(msgspec.Struct, rename="camel"):
    url: str
    title: str | None = None
    text: str | None = None
    published_date: str | None = None


class _Body(msgspec.Struct):
    results: list[_Result]


_decode = msgspec.json.Decoder(_Body).decode
_encode = msgspec.json.Encoder().encode


def request(query: SearchQuery, key: str) -> HttpRequest:
    """The request for a query. The text of each page replaces a snippet."""
    body = _Request(
        query=query.text,
        num_results=query.results_max,
        contents=_Contents(_Text(query.snippet_chars)),
        include_domains=list(query.allowed_domains),
        exclude_domains=list(query.blocked_domains),
        user_location=query.country,
    )
    headers = [("content-type", "application/json"), ("x-api-key", key)]
    return HttpRequest(method="POST", path="/search", headers=headers, body=_encode(body))


def results(body: bytes) -> list[SearchResult]:
    """The results."""
    return [
        SearchResult(url=each.url, title=each.title or "", snippet=each.text or "", date=each.published_date or "")
        for each in _decode(body).results
    ]
