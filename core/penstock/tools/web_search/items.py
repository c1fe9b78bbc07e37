"""The items of web searches: their actions and results, as clients get them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from penstock.json_codec import encode
from penstock.ports import SearchResult


class UrlSource(msgspec.Struct, frozen=True, tag_field="type", tag="url"):
    """A page that a search has found."""

    url: str


class SearchAction(msgspec.Struct, kw_only=True, tag_field="type", tag="search", omit_defaults=True):
    """A search. `sources` is there where the request includes it."""

    query: str
    queries: list[str]
    sources: list[UrlSource] | None = None


class OpenPageAction(msgspec.Struct, kw_only=True, tag_field="type", tag="open_page"):
    """A page that is opened."""

    url: str


class FindAction(msgspec.Struct, kw_only=True, tag_field="type", tag="find_in_page"):
    """Words that are looked for in a page."""

    url: str
    pattern: str


Action: TypeAlias = SearchAction | OpenPageAction | FindAction


class ListedResult(msgspec.Struct, kw_only=True, frozen=True, tag_field="type", tag="text_result", omit_defaults=True):
    """A result of a search, where the request includes results."""

    url: str
    title: str
    snippet: str
    date: str = ""


def raw(value: object) -> msgspec.Raw:
    """A value as JSON."""
    return msgspec.Raw(encode(value))


def listed_results(results: Sequence[SearchResult]) -> msgspec.Raw:
    """The results as clients get them."""
    return raw([ListedResult(url=each.url, title=each.title, snippet=each.snippet, date=each.date) for each in results])
