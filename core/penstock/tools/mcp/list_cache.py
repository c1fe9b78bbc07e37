"""The lists of tools of one process, by server and owner, so that most responses need no look at the server.

It knows ages and sizes. A server of the protocol of 2026 states how long its list may be used again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from penstock.limits import Limits

from .client import Server, ToolList


class _Entry(msgspec.Struct, frozen=True):
    tools: ToolList
    listed_at: float
    fresh_until: float
    size: int


class ListCache:
    """The lists. `clock` gives seconds and never goes back."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._entries: OrderedDict[Server, _Entry] = OrderedDict()
        self._size = 0

    def fresh(self, server: Server, *, age_max_s: float | None = None) -> ToolList | None:
        """The list of a server, while it may be used again; with `age_max_s`, while it is not older than that."""
        entry = self._entries.get(server)
        now = self._clock()
        if entry is None or (entry.fresh_until if age_max_s is None else entry.listed_at + age_max_s) <= now:
            return None
        self._entries.move_to_end(server)
        return entry.tools

    def store(self, server: Server, tools: ToolList) -> None:
        """Store the list that a server has just sent. The least recently used lists make room for it."""
        self.forget(server)
        now = self._clock()
        fresh_s = self._limits.mcp_list_fresh_s
        if tools.fresh_s is not None:
            fresh_s = min(tools.fresh_s, self._limits.mcp_list_fresh_max_s)
        entry = _Entry(tools, now, now + fresh_s, server.size + sum(tool.size for tool in tools.tools))
        self._entries[server] = entry
        self._size += entry.size
        while self._size > self._limits.mcp_list_cache_bytes_max:
            self.forget(next(iter(self._entries)))

    def forget(self, server: Server) -> None:
        """Remove the list of a server."""
        entry = self._entries.pop(server, None)
        if entry is not None:
            self._size -= entry.size
