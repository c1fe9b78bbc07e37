"""Parcels: bodies that are passed on as they are, but for the name of their model.

It knows where JSON's outermost object has its names, and nothing of what the body means.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping

import msgspec

from penstock.ports import HttpReply

_STRING = rb'"(?:[^"\\]++|\\.)*+"'  # possessive: nothing is kept for each character that was read
_KEY = re.compile(rb"[ \t\r\n]*(%b)[ \t\r\n]*:[ \t\r\n]*" % _STRING, re.DOTALL)
_EMPTY = re.compile(rb"[ \t\r\n]*\}")
_COMMA = re.compile(rb"[ \t\r\n]*,")
_TOKEN = re.compile(rb"%b|[{}\[\]]" % _STRING, re.DOTALL)
_SCALAR = re.compile(rb"%b|[^,}\s]++" % _STRING, re.DOTALL)
_OPENS, _CLOSES = frozenset(b"{["), frozenset(b"}]")
_TRANSFER = frozenset({"content-length", "content-encoding"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def replace_model(body: bytes, model: str) -> bytes:
    """The body of a JSON object with this model, every other byte as it was."""
    name = _encode(model)
    text = memoryview(body)
    pieces: list[memoryview | bytes] = []
    copied = 0
    for start, end in _models(body):
        pieces += [text[copied:start], name]
        copied = end
    if pieces:
        return b"".join([*pieces, text[copied:]])
    begin = body.index(b"{") + 1
    comma = b"" if _EMPTY.match(body, begin) else b","
    return b"".join([text[:begin], b'"model":', name, comma, text[begin:]])


def _models(body: bytes) -> Iterator[tuple[int, int]]:
    """Where the outermost object has its `model`; legal JSON may say it twice."""
    fields = _decode_fields(body)
    text = memoryview(body)
    at = body.index(b"{") + 1
    while key := _KEY.match(body, at):
        name, start = _decode(key[1]), key.end()
        value = memoryview(fields[name])
        end = start + value.nbytes
        if text[start:end] != value:  # the key comes again, with another value
            end = _end_of_value(body, start)
        if name == "model":
            yield start, end
        if not (comma := _COMMA.match(body, end)):
            return
        at = comma.end()


def _end_of_value(body: bytes, start: int) -> int:
    """Where the value ends that begins here."""
    if body[start] not in _OPENS:
        scalar = _SCALAR.match(body, start)
        assert scalar is not None
        return scalar.end()
    depth = 0
    for token in _TOKEN.finditer(body, start):
        first = token[0][0]
        depth += (first in _OPENS) - (first in _CLOSES)
        if depth == 0:
            return token.end()
    raise AssertionError("the body was read as JSON already")


class BufferedReply:
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
