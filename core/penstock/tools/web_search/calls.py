"""The calls of web search: a search, a page that is opened, and words that are looked for in a page.

The item of a call begins when the arguments are complete, so that its action is right from the beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.egress import UrlRefused
from penstock.ports import Cite, ItemDelta, Outcome, Page, PageFailed, SearchFailed, SearchResult
from penstock.tool_calls import read_arguments
from penstock.tool_replies import line
from penstock.transcript.deltas import ItemOpened, ItemStatusDelta
from penstock.wire import UNSET, WebSearchCall

from .functions import TEXT_CHARS_MAX, PageArguments, SearchArguments
from .items import Action, FindAction, OpenPageAction, SearchAction, UrlSource, listed_results, raw
from .replies import TITLE_CHARS_MAX, matches_reply, page_reply, results_reply

if TYPE_CHECKING:
    from .session import WebSession

_RESULTS_FACTOR = 2
"""Several queries of a call together give at most so many times the results of one."""


class _Call:
    """What the calls have in common.

    A call whose arguments are wrong has no item: the model reads what is wrong, and may call again.
    """

    waits = False

    def __init__(self, session: WebSession) -> None:
        self._session = session
        self._pieces: list[str] = []
        self._item = WebSearchCall()

    def begin(self) -> Iterable[ItemDelta | Outcome]:
        """The item does not begin yet."""
        return ()

    def arguments(self, fragment: str) -> Iterable[ItemDelta | Outcome]:
        """The item does not show the arguments as they arrive."""
        self._pieces.append(fragment)
        return ()

    def close(self) -> Iterable[ItemDelta | Outcome]:
        """The item begins with its action, or the arguments are wrong."""
        try:
            action = self.read("".join(self._pieces) or "{}")
        except ValueError as error:
            return (Outcome(item=None, reply=str(error)),)
        item_id = self._session.new_id(WebSearchCall.id_prefix)
        self._item = WebSearchCall(id=item_id, status="in_progress", action=raw(action))
        return (ItemOpened(self._item), ItemStatusDelta(item_id, "in_progress"))

    def read(self, arguments: str) -> Action:
        """The action of these arguments. Raises `ValueError`, whose message is for the model."""
        raise NotImplementedError

    def failed(self, message: str) -> Outcome:
        """The outcome of a call that did not succeed."""
        return self._ended(message, "failed")

    def _searching(self) -> ItemStatusDelta:
        return ItemStatusDelta(str(self._item.id), "searching")

    def _ended(
        self,
        reply: str,
        status: Any = "completed",
        action: Action | None = None,
        results: msgspec.Raw | msgspec.UnsetType = UNSET,
    ) -> Outcome:
        """The outcome with the item, whose action may have grown."""
        changes = {"status": status, "results": results} | ({} if action is None else {"action": raw(action)})
        return Outcome(item=msgspec.structs.replace(self._item, **changes), reply=reply)


class SearchCall(_Call):
    """A search by one or several queries, which run at the same time."""

    _queries: Sequence[str] = ()

    def read(self, arguments: str) -> SearchAction:
        """The action with the queries."""
        self._queries = read_arguments(arguments, SearchArguments).texts()
        return SearchAction(query=self._queries[0], queries=list(self._queries))

    async def run(self, cite: Cite) -> AsyncGenerator[ItemDelta | Outcome]:
        """Search. It fails where every query fails."""
        yield self._searching()
        session = self._session
        answers = await asyncio.gather(*(self._search(query) for query in self._queries))
        problems = [answer for answer in answers if isinstance(answer, str)]
        if len(problems) == len(answers):
            yield self.failed(problems[0])
            return
        found = _united([answer for answer in answers if not isinstance(answer, str)], session.options.size.results)
        session.note_seen(found)
        numbered = [(session.number(cite, result.url, result.title), result) for result in found]
        yield self._ended(
            results_reply(session.fence, numbered, list(dict.fromkeys(problems))),
            action=self._action(found),
            results=listed_results(found) if session.shows_results else UNSET,
        )

    async def _search(self, query: str) -> list[SearchResult] | str:
        """The results of one query, or why there are none."""
        try:
            return await self._session.search(query)
        except SearchFailed as error:
            return f"The search failed: {error}."

    def _action(self, found: Sequence[SearchResult]) -> SearchAction | None:
        """The action with its sources, where the request includes them."""
        if not self._session.shows_sources:
            return None
        sources = [UrlSource(result.url) for result in found]
        return SearchAction(query=self._queries[0], queries=list(self._queries), sources=sources)


class PageCall(_Call):
    """A call that reads a page."""

    _url = ""

    def read(self, arguments: str) -> Action:
        """The action with the URL, if the model may open it."""
        read = read_arguments(arguments, PageArguments)
        try:
            self._url = self._session.target(read.url)
        except UrlRefused as refused:
            raise ValueError(f"The URL {refused}.") from None
        # spec: web-search
        if not self._session.may_open(self._url):
            raise ValueError(
                "This URL stands neither in the conversation nor in a result or a page that you have read. Only such "
                "URLs may be opened, exactly as they stand there. Search first."
            )
        return self.action(read)

    def action(self, read: PageArguments) -> Action:
        """The action of the arguments. Raises `ValueError` as `read` does."""
        raise NotImplementedError

    async def run(self, cite: Cite) -> AsyncGenerator[ItemDelta | Outcome]:
        """Read the page."""
        yield self._searching()
        try:
            page = await self._session.page(self._url)
        except PageFailed as error:
            yield self.failed(f"The page could not be read: {error}.")
            return
        number = self._session.number(cite, page.url, line(page.title, TITLE_CHARS_MAX))
        yield self._ended(self.reply(number, page, self._session.options.size.page_bytes))

    def reply(self, number: int, page: Page, bytes_max: int) -> str:
        """What the model reads of the page."""
        raise NotImplementedError


class OpenPageCall(PageCall):
    """A page that is opened."""

    def action(self, read: PageArguments) -> OpenPageAction:
        """The action with the URL."""
        return OpenPageAction(url=read.url)

    def reply(self, number: int, page: Page, bytes_max: int) -> str:
        """The text of the page."""
        return page_reply(self._session.fence, number, page, bytes_max)


class FindCall(PageCall):
    """Words that are looked for in a page."""

    _pattern = ""

    def action(self, read: PageArguments) -> FindAction:
        """The action with the URL and the words."""
        self._pattern = read.pattern.strip()
        if not 1 <= len(self._pattern) <= TEXT_CHARS_MAX:
            raise ValueError(f"'pattern' needs 1 to {TEXT_CHARS_MAX} characters.")
        return FindAction(url=read.url, pattern=read.pattern)

    def reply(self, number: int, page: Page, bytes_max: int) -> str:
        """The places with the words."""
        return matches_reply(self._session.fence, number, page, self._pattern, bytes_max)


def _united(answers: Sequence[Sequence[SearchResult]], results_max: int) -> list[SearchResult]:
    """The results of all queries in turn, the best first, each page once."""
    count = results_max * min(len(answers), _RESULTS_FACTOR)
    longest = max(map(len, answers))
    in_turn = [answer[rank] for rank in range(longest) for answer in answers if rank < len(answer)]
    return list({result.url: result for result in reversed(in_turn)}.values())[::-1][:count]
