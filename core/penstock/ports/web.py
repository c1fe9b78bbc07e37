"""The ports of web search: a search engine, a reader of pages, and what takes the text out of a page.

It has structs and protocols only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class SearchQuery(msgspec.Struct, kw_only=True, frozen=True):
    """A query, with what an engine may support by itself. The caller filters the results again."""

    text: str
    results_max: int
    snippet_chars: int
    """About how much text of each result is wanted."""
    allowed_domains: tuple[str, ...] = ()
    """Domains that results come from, with their subdomains. Empty for all."""
    blocked_domains: tuple[str, ...] = ()
    country: str = ""
    """The user's country by its two letters, in upper case. Empty if unknown."""


class SearchResult(msgspec.Struct, kw_only=True, frozen=True):
    """A page that an engine has found. All texts are from outside."""

    url: str
    title: str = ""
    snippet: str = ""
    date: str = ""
    """The date of the page, in any form. Empty if unknown."""


class SearchFailed(Exception):
    """A search engine that gave no results because of an error. The message is for clients and the model."""


class SearchEngine(Protocol):
    """A search engine."""

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        """The results, the best first. Raises `SearchFailed`."""

    async def aclose(self) -> None:
        """Close every connection. The next search opens one again."""


class PageContent(msgspec.Struct, kw_only=True, frozen=True):
    """The content of a page as it was received, without its content codings."""

    url: str
    type: str
    """The media type, in lower case and without parameters."""
    charset: str = ""
    """The charset that the header names. Empty if it names none."""
    body: bytes
    is_cut: bool = False
    """Whether the end of the content is missing, because it is too large."""


class PageText(msgspec.Struct, kw_only=True, frozen=True):
    """The title and the text of a page. Both are from outside."""

    title: str = ""
    text: str = ""


class Page(msgspec.Struct, kw_only=True, frozen=True):
    """A page that was read."""

    url: str
    """The URL after all redirects."""
    title: str = ""
    text: str = ""
    is_cut: bool = False


class PageFailed(Exception):
    """A page that could not be read. The message continues "The page could not be read: "."""


class Extractor(Protocol):
    """Takes the text out of a page, in bounded time and memory: pages are made to break parsers."""

    async def extract(self, content: PageContent) -> PageText:
        """The text of a page. Raises `PageFailed`."""

    async def aclose(self) -> None:
        """End what runs. The next page starts it again."""


class PageReader(Protocol):
    """Reads pages of the web."""

    async def read(self, url: str, admits: Callable[[str], bool]) -> Page:
        """The page at a URL. `admits` is asked about the host of each URL, with those of redirects.

        Raises `PageFailed`.
        """

    async def aclose(self) -> None:
        """Close what is open."""
