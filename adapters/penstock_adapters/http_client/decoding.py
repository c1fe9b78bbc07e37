"""Replies with a content-encoding, decoded as they are read: no window is decoded before its reader needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

from penstock.ports import HttpReply, TransportError
from penstock_adapters.content_codings import Damaged, Unpacker, codings_of, is_supported, unpacked
from penstock_adapters.fault_texts import WRONG_CODING

_CODINGS_MAX = 4
"""How many codings may be combined."""


def decoded(reply: HttpReply, field: str) -> HttpReply:
    """The reply without its codings; unchanged if one of them is unknown."""
    codings = codings_of(field)
    if not codings or len(codings) > _CODINGS_MAX or not all(map(is_supported, codings)):
        return reply
    return DecodedReply(reply, [Unpacker(coding) for coding in reversed(codings)])


class DecodedReply:
    """A reply whose body is decoded window by window."""

    def __init__(self, reply: HttpReply, unpackers: list[Unpacker]) -> None:
        self.status = reply.status
        self.headers: Mapping[str, str] = reply.headers
        self._reply = reply
        self._chunks = aiter(reply)
        self._unpackers = unpackers
        self._windows: Iterator[bytes] = iter(())
        self._has_begun = False
        self._has_ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next window. Raises `TransportError` where the body is cut, or is not of its coding."""
        try:
            while not self._has_ended:
                if window := next(self._windows, None):
                    return window
                if window is None:
                    await self._read()
        except Damaged as damage:
            raise TransportError(WRONG_CODING, was_connected=True, cause=str(damage)) from None
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the reply."""
        await self._reply.aclose()

    async def _read(self) -> None:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._has_ended = True
            if self._has_begun:  # a reply without a body may have a coding
                for unpacker in self._unpackers:
                    unpacker.close()
            return
        self._has_begun = True
        self._windows = unpacked(self._unpackers, chunk)
