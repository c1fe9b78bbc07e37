"""The family of web search tools: it makes a session for each response."""

from __future__ import annotations

import asyncio

from penstock.egress import Egress
from penstock.ports import PageReader, SearchEngine, ToolRequest
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
        """The session of a response. Of several tools of the family, the first counts. Raises `ApiError` 400."""
        first, *_ = [read_options(declared) for declared in request.tools]
        return WebSession(
            request,
            first,
            engine=self._engine,
            reader=self._reader,
            cache=self._cache,
            egress=self._egress,
            opens_any=self._opens_any,
        )

    async def aclose(self) -> None:
        """Close the engine and the reader."""
        await asyncio.gather(self._engine.aclose(), self._reader.aclose())
