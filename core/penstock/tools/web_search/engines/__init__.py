"""The search engines by name: the address of each, and how it is asked. One file each, all pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from penstock.errors import suggestion
from penstock.ports import HttpRequest, SearchQuery, SearchResult

from . import brave, exa, searxng, tavily


class Format(NamedTuple):
    """How an engine is asked."""

    url: str
    """The base URL. Empty where every operator has their own."""
    needs_key: bool
    request: Callable[[SearchQuery, str], HttpRequest]
    """The request for a query, with the key."""
    results: Callable[[bytes], list[SearchResult]]
    """The results in a body. Raises `msgspec.MsgspecError` for a body of another form, and `SearchFailed`."""


FORMATS = {
    "brave": Format(brave.URL, True, brave.request, brave.results),
    "exa": Format(exa.URL, True, exa.request, exa.results),
    "searxng": Format("", False, searxng.request, searxng.results),
    "tavily": Format(tavily.URL, True, tavily.request, tavily.results),
}
"""The engines by the name that the setting `search` begins with."""


class Engine(NamedTuple):
    """An engine as the setting names it."""

    name: str
    url: str
    format: Format


def read_engine(text: str) -> Engine:
    """The engine in a setting such as `searxng:http://127.0.0.1:8888` or `brave:`. Raises `ValueError`."""
    name, colon, url = text.partition(":")
    if name not in FORMATS or not colon:
        known = f"{', '.join(FORMATS)}{suggestion(name, FORMATS)}"
        raise ValueError(f"expected an engine and a colon; the engines are {known}")
    url = url or FORMATS[name].url
    if not url:
        raise ValueError(f"the URL of your own engine is missing: {name}:http://127.0.0.1:8888")
    return Engine(name, url, FORMATS[name])
