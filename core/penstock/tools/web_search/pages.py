"""Pages of the web as text: fetched within the tool's domains, and read by an extractor."""

from __future__ import annotations

from collections.abc import Callable

from penstock.fetching import Fetcher, FetchOptions
from penstock.limits import Limits
from penstock.ports import Extractor, Page

_TYPES = frozenset({"text/html", "application/xhtml+xml", "application/pdf", "application/json", "application/xml"})
"""The media types that are read, beside all of `text/*`."""
_ACCEPT = "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,application/json;q=0.5"


class Pages:
    """Reads pages."""

    def __init__(self, fetcher: Fetcher, extractor: Extractor, limits: Limits) -> None:
        self._fetcher = fetcher
        self._extractor = extractor
        self._bytes_max = limits.page_bytes_max

    async def read(self, url: str, admits: Callable[[str], bool]) -> Page:
        """The page at a URL. Raises `PageFailed`."""
        options = FetchOptions("HTML, text or PDF", _ACCEPT, _is_readable, "text/html", self._bytes_max, admits)
        content = await self._fetcher.fetch(url, options)
        text = await self._extractor.extract(content)
        return Page(url=content.url, title=text.title, text=text.text, is_cut=content.is_cut)

    async def aclose(self) -> None:
        """Close the extractor."""
        await self._extractor.aclose()


def _is_readable(media_type: str) -> bool:
    return media_type in _TYPES or media_type.startswith("text/")
