"""SearXNG, a metasearch engine that operators run themselves. Its settings have to list the format `json`."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from penstock.ports import HttpRequest, SearchFailed, SearchQuery, SearchResult
from penstock.tools.web_search.domains import with_site_terms

_QUERY_CHARS_MAX = 2_000


class _Result(msgspec.Struct):
    url: str | None
    """None for a result that is no page, such as a table of values."""
    title: str | None = None
    content: str | None = None
    publishedDate: str | None = None  # noqa: N815 - the engine's name


class _Body(msgspec.Struct):
    results: list[_Result]
    unresponsive_engines: list[list[str]] = []


_decode = msgspec.json.Decoder(_Body).decode


def request(query: SearchQuery, key: str) -> HttpRequest:
    """The request for a query. SearXNG has no filters by domain and no country."""
    text = with_site_terms(query.text, query.allowed_domains, query.blocked_domains, _QUERY_CHARS_MAX)
    path = f"/search?{urlencode({'q': text, 'format': 'json'})}"
    headers = [("accept", "application/json")]
    if key:
        headers.append(("authorization", f"Bearer {key}"))
    return HttpRequest(method="GET", path=path, headers=headers)


def results(body: bytes) -> list[SearchResult]:
    """The results. Raises `SearchFailed` where there are none because the engines behind it gave no answer."""
    found = _decode(body)
    if not found.results and found.unresponsive_engines:
        names = ", ".join(each[0] for each in found.unresponsive_engines if each)
        raise SearchFailed(f"no engine behind SearXNG answered ({names})")
    return [
        SearchResult(url=each.url, title=each.title or "", snippet=each.content or "", date=each.publishedDate or "")
        for each in found.results
        if each.url
    ]
