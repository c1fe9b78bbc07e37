"""What connections remember: their last responses that were not to be stored, each with all that it stands on.

It knows how many and how much, on each connection and on all of them. What a connection remembers is gone with it, and
no other one sees it.
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
    """What all connections of a process remember."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[ConnectionCache] = set()
        self._size = 0

    def open(self) -> ConnectionCache:
        """What one more connection remembers."""
        recent = ConnectionCache(self._limits, self)
        self._open.add(recent)
        return recent

    def close(self, recent: ConnectionCache) -> None:
        """The connection has ended."""
        self._open.discard(recent)

    def count(self, size: int) -> None:
        """So many bytes more are remembered, or fewer."""
        self._size += size

    def make_room(self) -> None:
        """Where all of them hold too much, whoever holds most forgets its oldest."""
        while self._size > self._limits.sockets_recent_bytes_max:
            max(self._open, key=lambda recent: recent.size).forget_oldest()


class ConnectionCache:
    """The last responses of a connection, by id. The oldest go first."""

    def __init__(self, limits: Limits, all_of_them: ConnectionCaches) -> None:
        self._limits = limits
        self._all = all_of_them
        self._responses: dict[str, SizedItems] = {}
        self.size = 0

    def recall(self, response_id: str) -> SizedItems | None:
        """Everything up to the end of that response; None where it is not remembered."""
        return self._responses.get(response_id)

    def add(self, ending: Ending, context: Context) -> None:
        """Remember a response, and forget the oldest for it; one that is too large by itself is not remembered."""
        said = [_decode_item(encode(item)) for item in ending.said()]
        items = [*context.earlier, *context.own, *said]  # a template is in no later turn
        size = sum(len(encode(item)) for item in items)
        self._responses[ending.response.id] = SizedItems(items, size)
        self._count(size)
        while self._is_too_much():
            self.forget_oldest()
        self._all.make_room()

    def forget(self, response_id: str) -> None:
        """Remember that response no longer."""
        if found := self._responses.pop(response_id, None):
            self._count(-found.size)

    def forget_oldest(self) -> None:
        """Remember one response less."""
        self.forget(next(iter(self._responses)))

    def close(self) -> None:
        """Remember nothing any more: the connection has ended."""
        self._responses.clear()
        self._count(-self.size)
        self._all.close(self)

    def _count(self, size: int) -> None:
        self.size += size
        self._all.count(size)

    def _is_too_much(self) -> bool:
        limits = self._limits
        return len(self._responses) > limits.socket_recent_max or self.size > limits.socket_recent_bytes_max


class RecentKeeper:
    """Keeps a response in its connection's memory."""

    def __init__(self, recent: ConnectionCache, context: Context) -> None:
        self._recent = recent
        self._context = context

    async def keep(self, ending: Ending) -> None:
        """Remember the turn."""
        self._recent.add(ending, self._context)

    async def close(self) -> None:
        """Nothing is held."""
