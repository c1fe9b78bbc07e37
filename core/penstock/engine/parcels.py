"""Parcels: bodies that are passed on as they are, but for the name of their model.

It knows where JSON's outermost object has its names, and nothing of what the body means.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping

import msgspec

from penstock.ports import HttpReply

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|null', re.DOTALL)
_OPENS, _CLOSES = frozenset(b"{["), frozenset(b"}]")
_TRANSFER = frozenset({"content-length", "content-encoding"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode


def readdressed(body: bytes, model: str) -> bytes:
    """The body of a JSON object with this model, every other byte as it was."""
    name = _encode(model)
    pieces: list[bytes] = []
    copied = 0
    for start, end in _models(body):
        pieces += [body[copied:start], name]
        copied = end
    if pieces:
        return b"".join([*pieces, body[copied:]])
    begin = body.index(b"{") + 1
    comma = b"" if body[begin:].lstrip().startswith(b"}") else b","
    return b"".join([body[:begin], b'"model":', name, comma, body[begin:]])


def _models(body: bytes) -> Iterator[tuple[int, int]]:
    """Where the outermost object has its `model`, a text or null; legal JSON may say it twice."""
    depth = 0
    last = key = b""
    for token in _TOKEN.finditer(body):
        sign = token[0]
        if sign[0] in _OPENS:
            depth += 1
        elif sign[0] in _CLOSES:
            depth -= 1
        elif depth == 1 and sign == b":":
            key = last
        elif depth == 1 and sign == b",":
            key = b""
        elif depth == 1 and key and _decode(key) == "model":
            yield token.span()
        last = sign


class KeptReply:
    """A reply that was read, with as much of its body as was kept."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {
            name: value for name, value in headers.items() if name.lower() not in _TRANSFER
        }
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._told()

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _told(self) -> AsyncIterator[bytes]:
        yield self._body


class PeekedReply:
    """A reply whose first bytes were read ahead of whoever reads it."""

    def __init__(self, reply: HttpReply, first: bytes) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self._reply = reply
        self._first = first
        self._chunks = aiter(reply)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The first bytes, then those that follow."""
        first, self._first = self._first, b""
        return first or await anext(self._chunks)

    async def aclose(self) -> None:
        """Close the reply."""
        await self._reply.aclose()
