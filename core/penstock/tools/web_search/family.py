"""The family of web search tools: it makes a session for each response."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.egress import Egress
from penstock.errors import invalid
from penstock.ports import DeclaredTool, PageReader, SearchEngine, ToolRequest
from penstock.wire import (
    Item,
    Tool,
    WebSearchPreviewTool,
    WebSearchPreviewTool2025,
    WebSearchTool,
    WebSearchTool2025,
)

from .options import read_options
from .result_cache import ResultCache
from .session import WebSession


class WebSearch:
    """Web search by an engine and a reader. With `opens_any`, models may open URLs that they have made up."""

    answers: frozenset[type[Item]] = frozenset()
    types: frozenset[type[Tool]] = frozenset(
        {WebSearchTool, WebSearchTool2025, WebSearchPreviewTool, WebSearchPreviewTool2025}
    )

    def __init__(self, engine: SearchEngine, reader: PageReader, egress: Egress, *, opens_any: bool = False) -> None:
        self._engine = engine
        self._reader = reader
        self._egress = egress
        self._opens_any = opens_any
        self._cache = ResultCache()

    def session(self, request: ToolRequest) -> WebSession:
        """The session of a response. Raises `ApiError` 400."""
        return WebSession(
            request,
            read_options(_counting(request.tools)),
            engine=self._engine,
            reader=self._reader,
            cache=self._cache,
            egress=self._egress,
            opens_any=self._opens_any,
        )

    async def aclose(self) -> None:
        """Close the engine and the reader."""
        await asyncio.gather(self._engine.aclose(), self._reader.aclose())


def _counting(tools: Sequence[DeclaredTool]) -> DeclaredTool:
    """The tool that counts: that of the request, else the last one of its context.

    Raises `ApiError` 400 for two of the request: the filters of one are no filters of the other.
    """
    of_request = [declared for declared in tools if declared.is_of_request]
    if len(of_request) > 1:
        message = "There is another web search tool in tools, by this or another name of it: give one."
        raise invalid(message, of_request[1].param)
    return [*tools, *of_request][-1]
