"""The web search tools of one response: their functions, the URLs that were seen, and the pages that were read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import islice

from penstock.citations import WebSource
from penstock.egress import Egress
from penstock.ports import (
    Cite,
    HostedFunction,
    ItemDelta,
    Outcome,
    Page,
    PageReader,
    SearchEngine,
    SearchFailed,
    SearchQuery,
    SearchResult,
    ToolCall,
    ToolRequest,
)
from penstock.tool_calls.web_search import FIND, OPEN_PAGE
from penstock.tool_replies import Fence
from penstock.wire import JsonObjectFormat, JsonSchemaFormat

from .calls import FindCall, OpenPageCall, PageCall, SearchCall
from .functions import functions
from .options import Options
from .replies import shortened_result
from .result_cache import ResultCache
from .seen_urls import urls_in, urls_of

_NONCE_CHARS = 12
_CALLS: dict[str, type[PageCall]] = {OPEN_PAGE: OpenPageCall, FIND: FindCall}
_SOURCES, _RESULTS = "web_search_call.action.sources", "web_search_call.results"
"""Values of `include`."""


class WebSession:
    """The tools of one response. `reader` is None where this server reads no pages."""

    needs_opening = waits = False
    approved: Sequence[ToolCall] = ()

    def __init__(
        self,
        request: ToolRequest,
        options: Options,
        *,
        engine: SearchEngine,
        reader: PageReader,
        cache: ResultCache,
        egress: Egress,
        opens_any: bool,
    ) -> None:
        self.options = options
        self.new_id = request.new_id
        self.fence = Fence(request.new_id("")[-_NONCE_CHARS:])
        included = request.request.include or ()
        self.shows_sources = _SOURCES in included
        self.shows_results = _RESULTS in included
        self.cites = not _is_json(request)
        self.functions: Sequence[HostedFunction] = list(functions(options, opens_any=opens_any, cites=self.cites))
        self._request = request
        self._engine = engine
        self._reader = reader
        self._cache = cache
        self._egress = egress
        self._opens_any = opens_any
        self._seen: set[str] = set()
        self._has_read_context = False
        self._pages: dict[str, Page] = {}
        self._numbers: dict[str, int] = {}
        """The number of each source, by its URL."""

    async def prepare(self, *, again: bool) -> None:
        """There is nothing to check."""

    async def open(self) -> AsyncGenerator[ItemDelta | Outcome]:
        """There is nothing to open."""
        return
        yield

    def call(self, function: HostedFunction) -> ToolCall:
        """A call of one of the functions."""
        make = _CALLS.get(function.definition.name)
        return make(self) if make else SearchCall(self)

    async def aclose(self) -> None:
        """Nothing of the session is open between its calls."""

    async def search(self, text: str) -> list[SearchResult]:
        """The results of a query that the tool's filters leave. Raises `SearchFailed`."""
        options = self.options
        query = SearchQuery(
            text=text,
            results_max=options.size.results,
            snippet_chars=options.size.snippet_chars,
            allowed_domains=options.domains.allowed,
            blocked_domains=options.domains.blocked,
            country=options.country,
        )
        if options.is_live:
            return await self._searched(query)
        known = self._cache.get(self._request.owner, query)
        if known is None:
            raise SearchFailed("the request allows no access to the web, and this query was not asked lately")
        return known

    async def _searched(self, query: SearchQuery) -> list[SearchResult]:
        """The results of a query to the engine, as the model reads them."""
        # spec: web-search
        admits = self.options.domains.admit_url
        admitted = (result for result in await self._engine.search(query) if admits(result.url))
        found = [shortened_result(each, query.snippet_chars) for each in islice(admitted, query.results_max)]
        self._cache.put(self._request.owner, query, found)
        return found

    def note_seen(self, results: Sequence[SearchResult]) -> None:
        """The model may open the pages of these results, and those that they name."""
        self._seen.update(urls_in((f"{result.url} {result.snippet}" for result in results), self._egress))

    def number(self, cite: Cite, url: str, title: str) -> int:
        """The number by which the model cites a page, the same for each call."""
        if url not in self._numbers:
            self._numbers[url] = cite([WebSource(url=url, title=title or url)])
        return self._numbers[url]

    def may_open(self, url: str) -> bool:
        """Whether the model may open a page: whether the URL was seen, unless the server's settings allow any."""
        if self._opens_any or url in self._seen:
            return True
        if not self._has_read_context:
            self._has_read_context = True
            self._seen |= urls_of([*self._request.earlier, *self._request.own], self._egress)
            self._seen.update(urls_in([self._request.request.instructions or ""], self._egress))
        return url in self._seen

    def target(self, url: str) -> str:
        """A URL in the form in which it is compared. Raises `UrlRefused`."""
        return self._egress.target(url).url

    async def page(self, url: str) -> Page:
        """A page, which is read once for a response. Raises `PageFailed`."""
        if url not in self._pages:
            page = self._pages[url] = await self._reader.read(url, self.options.domains.admit)
            self._seen.update(urls_in([page.text], self._egress))
        return self._pages[url]


def _is_json(request: ToolRequest) -> bool:
    """Whether the model's text is JSON, which a link would break."""
    text = request.request.text
    return text is not None and isinstance(text.format, JsonObjectFormat | JsonSchemaFormat)
