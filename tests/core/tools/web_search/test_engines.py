"""The search engines: the request for a query, and the results in an answer, as each engine documents them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from penstock.ports import HttpRequest, SearchFailed, SearchQuery, SearchResult
from penstock.tools.web_search.engines import FORMATS, read_engine

QUERY = SearchQuery(
    text="río & co",
    results_max=8,
    snippet_chars=700,
    allowed_domains=("a.example", "b.example"),
    blocked_domains=("c.example",),
    country="CH",
)
FOUND = SearchResult(url="https://a.example/1", title="One", snippet="Text.", date="2026-01-02")


def asked(name: str, query: SearchQuery = QUERY, key: str = "sk-1") -> tuple[str, str, dict[str, Any], dict[str, str]]:
    """The method, the path, and the fields of the query or the body, and the headers."""
    request: HttpRequest = FORMATS[name].request(query, key)
    path = urlsplit(request.path)
    fields = json.loads(request.body) if request.body else {n: v[0] for n, v in parse_qs(path.query).items()}
    return request.method, path.path, fields, dict(request.headers)


def test_searxng_is_asked_for_json() -> None:
    assert asked("searxng") == (
        "GET",
        "/search",
        {"q": "río & co (site:a.example OR site:b.example) -site:c.example", "format": "json"},
        {"accept": "application/json", "authorization": "Bearer sk-1"},
    )
    assert "authorization" not in asked("searxng", key="")[3]


def test_brave_is_asked_with_its_token() -> None:
    method, path, fields, headers = asked("brave")
    assert (method, path, headers["x-subscription-token"]) == ("GET", "/web/search", "sk-1")
    assert fields["q"] == "río & co (site:a.example OR site:b.example) -site:c.example"
    assert (fields["count"], fields["country"], fields["result_filter"]) == ("8", "CH", "web")


@pytest.mark.parametrize(("country", "asked_for"), [("US", "US"), ("LI", "ALL"), ("", "ALL")])
def test_brave_is_asked_only_for_countries_that_it_knows(country: str, asked_for: str) -> None:
    """It answers others with 422, and takes the United States where there is none."""
    assert asked("brave", msgspec.structs.replace(QUERY, country=country))[2]["country"] == asked_for


def test_a_query_for_brave_has_at_most_fifty_words() -> None:
    long = msgspec.structs.replace(QUERY, text=" ".join(f"w{n}" for n in range(60)))
    assert len(asked("brave", long)[2]["q"].split()) == 50
    domains = tuple(f"{n}.ch" for n in range(30))
    assert asked("brave", msgspec.structs.replace(QUERY, allowed_domains=domains))[2]["q"] == "río & co"


def test_texts_of_brave_are_html() -> None:
    body = {"url": FOUND.url, "title": "A &amp; B", "description": "It&#x27;s", "extra_snippets": ["&lt;b&gt;"]}
    [result] = FORMATS["brave"].results(json.dumps({"web": {"results": [body]}}).encode())
    assert (result.title, result.snippet) == ("A & B", "It's <b>")


def test_a_query_with_too_many_domains_is_asked_without_them() -> None:
    many = msgspec.structs.replace(QUERY, allowed_domains=tuple(f"domain{n}.example" for n in range(100)))
    assert asked("brave", many)[2]["q"] == "río & co"


def test_tavily_and_exa_filter_by_themselves() -> None:
    method, path, fields, headers = asked("tavily")
    assert (method, path, headers["authorization"]) == ("POST", "/search", "Bearer sk-1")
    assert fields == {
        "query": "río & co",
        "max_results": 8,
        "include_domains": ["a.example", "b.example"],
        "exclude_domains": ["c.example"],
    }
    method, path, fields, headers = asked("exa")
    assert (method, path, headers["x-api-key"]) == ("POST", "/search", "sk-1")
    assert fields == {
        "query": "río & co",
        "numResults": 8,
        "contents": {"text": {"maxCharacters": 700}},
        "includeDomains": ["a.example", "b.example"],
        "excludeDomains": ["c.example"],
        "userLocation": "CH",
    }


ANSWERS: dict[str, Any] = {
    "searxng": {
        "results": [{"url": FOUND.url, "title": "One", "content": "Text.", "publishedDate": "2026-01-02", "score": 1}],
        "unresponsive_engines": [["google", "timeout"]],
    },
    "brave": {
        "web": {"results": [{"url": FOUND.url, "title": "One", "description": "Text.", "page_age": "2026-01-02"}]}
    },
    "tavily": {"results": [{"url": FOUND.url, "title": "One", "content": "Text.", "published_date": "2026-01-02"}]},
    "exa": {"results": [{"url": FOUND.url, "title": "One", "text": "Text.", "publishedDate": "2026-01-02"}]},
}
NOTHING: dict[str, Any] = {"searxng": {"results": []}, "brave": {}, "tavily": {"results": []}, "exa": {"results": []}}


@pytest.mark.parametrize("name", FORMATS)
def test_an_answer_has_its_results(name: str) -> None:
    results = FORMATS[name].results
    assert results(json.dumps(ANSWERS[name]).encode()) == [FOUND]
    assert results(json.dumps(NOTHING[name]).encode()) == []
    for broken in (b"", b"<html>", b'{"results": 7, "web": 7}', b'{"results": [{}], "web": {"results": [{}]}}'):
        with pytest.raises(msgspec.MsgspecError):
            results(broken)


def test_results_may_lack_texts() -> None:
    texts = ("title", "content", "text", "description", "extra_snippets", "published_date", "page_age")
    found = {"results": [{"url": "https://a.example/1"} | dict.fromkeys(texts)]}
    for results in [each.results for each in FORMATS.values()]:
        assert results(json.dumps(found | {"web": found}).encode()) == [SearchResult(url="https://a.example/1")]


def test_results_of_searxng_that_are_no_pages_are_left_out() -> None:
    found = [{"url": None, "template": "keyvalue.html"}, {"url": FOUND.url, "title": "One"}]
    assert [each.url for each in FORMATS["searxng"].results(json.dumps({"results": found}).encode())] == [FOUND.url]


def test_searxng_without_an_engine_that_answers_has_failed() -> None:
    with pytest.raises(SearchFailed, match="google, bing"):
        FORMATS["searxng"].results(b'{"results": [], "unresponsive_engines": [["google", "x"], ["bing", "y"], []]}')


def test_the_setting_names_an_engine_and_may_have_a_url() -> None:
    assert read_engine("searxng:http://127.0.0.1:8888").url == "http://127.0.0.1:8888"
    assert read_engine("brave:").url.startswith("https://api.search.brave.com/")
    assert read_engine("tavily:https://proxy.example/tavily").url == "https://proxy.example/tavily"
    for wrong in ("brave", "google:", "", "searxng:", ":http://a"):
        with pytest.raises(ValueError, match=r"engine"):
            read_engine(wrong)
