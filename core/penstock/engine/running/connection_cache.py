"""The connection cache: a connection's last responses that are not stored, each with its whole context.

It knows how many responses and bytes one connection and all connections may cache. The cache ends with its connection,
and no other connection reads it.
"""

from __future__ import annotations

from penstock.engine.context.chain_cache import SizedItems
from penstock.engine.context.resolve import Context
from penstock.json_codec import Decoder, encode
from penstock.limits import Limits
from penstock.wire import InputItem

from .persistence import Ending

_decode_item = Decoder[InputItem](InputItem).decode


class ConnectionCaches:
    """The caches of all connections of a process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[ConnectionCache] = set()
        self._size = 0

    def open(self) -> ConnectionCache:
        """Make the cache of a new connection."""
        recent = ConnectionCache(self._limits, self)
        self._open.add(recent)
        return recent

    def close(self, recent: ConnectionCache) -> None:
        """Remove the cache of a connection that has ended."""
        self._open.discard(recent)

    def count(self, size: int) -> None:
        """Add to the cached bytes; a negative size is subtracted."""
        self._size += size

    def make_room(self) -> None:
        """Evict the oldest responses of the largest caches, until all together are within the bound."""
        # spec: bounded-contexts
        while self._size > self._limits.sockets_recent_bytes_max:
            max(self._open, key=lambda recent: recent.size).forget_oldest()


class ConnectionCache:
    """The last responses of a connection, by id. The oldest are evicted first."""

    def __init__(self, limits: Limits, all_of_them: ConnectionCaches) -> None:
        self._limits = limits
        self._all = all_of_them
        self._responses: dict[str, SizedItems] = {}
        self.size = 0

    def recall(self, response_id: str) -> SizedItems | None:
        """All items up to the end of that response; None where it is not cached."""
        return self._responses.get(response_id)

    def add(self, ending: Ending, context: Context) -> None:
        """Cache a response and evict older ones; a response that is too large by itself is not cached."""
        output = [_decode_item(encode(item)) for item in ending.output()]
        items = [*context.earlier, *context.own, *output]  # a template's items are in no later turn
        size = sum(len(encode(item)) for item in items)
        self._responses[ending.response.id] = SizedItems(items, size)
        self._count(size)
        while self._is_too_much():
            self.forget_oldest()
        self._all.make_room()

    def forget(self, response_id: str) -> None:
        """Evict that response."""
        if found := self._responses.pop(response_id, None):
            self._count(-found.size)

    def forget_oldest(self) -> None:
        """Evict the oldest response."""
        self.forget(next(iter(self._responses)))

    def close(self) -> None:
        """Evict everything: the connection has ended."""
        self._responses.clear()
        self._count(-self.size)
        self._all.close(self)

    def _count(self, size: int) -> None:
        self.size += size
        self._all.count(size)

    def _is_too_much(self) -> bool:
        limits = self._limits
        return len(self._responses) > limits.socket_recent_max or self.size > limits.socket_recent_bytes_max


class ConnectionSaver:
    """Saves a response in its connection's cache."""

    def __init__(self, recent: ConnectionCache, context: Context) -> None:
        self._recent = recent
        self._context = context

    async def save(self, ending: Ending) -> None:
        """Cache the turn."""
        self._recent.add(ending, self._context)

    async def close(self) -> None:
        """There is nothing to close."""
