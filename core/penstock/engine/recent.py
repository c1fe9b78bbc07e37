"""What one connection remembers: its last responses that were not to be stored, each with all that it stands on.

It knows how many and how much; it is gone with the connection, and nobody else ever sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from penstock.limits import Limits
from penstock.lossless import Decoder, encode
from penstock.returned import Returned
from penstock.wire import Event, InputItem, Response

from .keep import carrying
from .resolve import Context

_decode_item = Decoder[InputItem](InputItem).decode


class _Remembered(msgspec.Struct):
    items: list[InputItem]
    size: int


class Recent:
    """The last responses of a connection, by id. The oldest go first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._responses: dict[str, _Remembered] = {}
        self._size = 0

    def items(self, response_id: str) -> list[InputItem] | None:
        """Everything up to the end of that response; None where it is not remembered."""
        found = self._responses.get(response_id)
        return found.items if found else None

    def add(self, response: Response, context: Context, returned: Mapping[str, Returned]) -> None:
        """Remember a response, and forget the oldest for it; one that is too large by itself is not remembered."""
        said = [_decode_item(encode(item)) for item in carrying(response, returned)]
        items = [*context.earlier, *context.own, *said]  # a template is in no later turn
        size = sum(len(encode(item)) for item in items)
        self._responses[response.id] = _Remembered(items, size)
        self._size += size
        while self._is_too_much():
            self.forget(next(iter(self._responses)))

    def forget(self, response_id: str) -> None:
        """Remember that response no longer."""
        if found := self._responses.pop(response_id, None):
            self._size -= found.size

    def _is_too_much(self) -> bool:
        limits = self._limits
        return len(self._responses) > limits.socket_recent_max or self._size > limits.socket_recent_bytes_max


class RecentKeeper:
    """Keeps a response in its connection's memory."""

    def __init__(self, recent: Recent, context: Context) -> None:
        self._recent = recent
        self._context = context

    async def keep(self, response: Response, untold: Sequence[Event], returned: Mapping[str, Returned]) -> None:
        """Remember the turn."""
        self._recent.add(response, self._context, returned)

    async def close(self) -> None:
        """Nothing is held."""
