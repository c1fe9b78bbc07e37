"""Brave Search, by its Web Search API (https://api-dashboard.search.brave.com/api-reference/web/search/get)."""

from __future__ import annotations

from html import unescape
from urllib.parse import urlencode

import msgspec

from penstock.ports import HttpRequest, SearchQuery, SearchResult
from penstock.tools.web_search.domains import with_site_terms

URL = "https://api.search.brave.com/res/v1"
_QUERY_CHARS_MAX = 400
_QUERY_WORDS_MAX = 50
_COUNT_MAX = 20
_COUNTRIES = frozenset(
    "AR AT AU BE BR CA CH CL CN DE DK ES FI FR GB HK ID IN".split()
    + "IT JP KR MX MY NL NO NZ PH PL PT RU SA SE TR TW US ZA".split()
)
"""The countries that it knows. It refuses a query with another one."""
_ALL_COUNTRIES = "ALL"
"""Without it, the results are those for the United States."""


class _Result(msgspec.Struct):
    url: str
    title: str | None = None
    description: str | None = None
    extra_snippets: list[str] | None = None
    page_age: str | None = None


class _Web(msgspec.Struct):
    results: list[_Result] = []


class _Body(msgspec.Struct):
    web: _Web | None = None


_decode = msgspec.json.Decoder(_Body).decode


def request(query: SearchQuery, key: str) -> HttpRequest:
    """The request for a query. Brave has no filters by domain, but knows `site:`."""
    text = " ".join(query.text.split()[:_QUERY_WORDS_MAX])
    terms = with_site_terms(text, query.allowed_domains, query.blocked_domains, _QUERY_CHARS_MAX)
    fields = {
        "q": terms if len(terms.split()) <= _QUERY_WORDS_MAX else text,
        "country": query.country if query.country in _COUNTRIES else _ALL_COUNTRIES,
        "result_filter": "web",
        "count": str(min(query.results_max, _COUNT_MAX)),
        "text_decorations": "false",
        "extra_snippets": "true",
    }
    headers = [("accept", "application/json"), ("x-subscription-token", key)]
    return HttpRequest(method="GET", path=f"/web/search?{urlencode(fields)}", headers=headers)


def results(body: bytes) -> list[SearchResult]:
    """The results, whose texts are HTML. A query without any has no `web`."""
    found = _decode(body).web or _Web()
    return [
        SearchResult(
            url=each.url,
            title=unescape(each.title or ""),
            snippet=unescape(" ".join([each.description or "", *(each.extra_snippets or ())])),
            date=each.page_age or "",
        )
        for each in found.results
    ]
