"""Brave Search, by its Web Search API."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from penstock.ports import HttpRequest, SearchQuery, SearchResult
from penstock.tools.web_search.domains import with_site_terms

URL = "https://api.search.brave.com/res/v1"
_QUERY_CHARS_MAX = 400
_COUNT_MAX = 20


class _Result(msgspec.Struct):
    url: str
    title: str = ""
    description: str = ""
    extra_snippets: list[str] = []
    page_age: str | None = None


class _Web(msgspec.Struct):
    results: list[_Result] = []


class _Body(msgspec.Struct):
    web: _Web | None = None


_decode = msgspec.json.Decoder(_Body).decode


def request(query: SearchQuery, key: str) -> HttpRequest:
    """The request for a query. Brave has no filters by domain, but knows `site:`."""
    fields = {
        "q": with_site_terms(query.text, query.allowed_domains, query.blocked_domains, _QUERY_CHARS_MAX),
        "count": str(min(query.results_max, _COUNT_MAX)),
        "text_decorations": "false",
        "extra_snippets": "true",
    }
    if query.country:
        fields["country"] = query.country
    headers = [("accept", "application/json"), ("x-subscription-token", key)]
    return HttpRequest(method="GET", path=f"/web/search?{urlencode(fields)}", headers=headers)


def results(body: bytes) -> list[SearchResult]:
    """The results. A query without any has no `web`."""
    found = _decode(body).web or _Web()
    return [
        SearchResult(
            url=each.url,
            title=each.title,
            snippet=" ".join([each.description, *each.extra_snippets]),
            date=each.page_age or "",
        )
        for each in found.results
    ]
