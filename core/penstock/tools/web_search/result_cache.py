"""The results of the last searches, for tools that allow no access to the web."""

from __future__ import annotations

import time
from collections.abc import Sequence

from penstock.ports import SearchQuery, SearchResult

ENTRIES_MAX = 500
_FRESH_S = 3_600.0
"""How long results are used again."""


class ResultCache:
    """The results of each owner's queries."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, SearchQuery], tuple[float, list[SearchResult]]] = {}

    def get(self, owner: str, query: SearchQuery) -> list[SearchResult] | None:
        """The results of a query that this owner has made lately."""
        made_at, results = self._entries.get((owner, query), (0.0, []))
        return results if made_at and time.monotonic() - made_at < _FRESH_S else None

    def put(self, owner: str, query: SearchQuery, results: Sequence[SearchResult]) -> None:
        """Store results. Those that were stored first are dropped first."""
        self._entries.pop((owner, query), None)
        self._entries[owner, query] = (time.monotonic(), list(results))
        if len(self._entries) > ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]
