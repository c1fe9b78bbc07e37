"""Passthrough bodies: request bodies that are passed on unchanged except for the name of the model.

It knows where the outermost JSON object has its keys, and nothing about their meaning.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping

import msgspec

from penstock.patterns import lazy_pattern
from penstock.ports import HttpReply

_STRING = rb'"(?:[^"\\]++|\\.)*+"'  # possessive: no memory per character
_KEY = lazy_pattern(rb"[ \t\r\n]*(%b)[ \t\r\n]*:[ \t\r\n]*" % _STRING, re.DOTALL)
_EMPTY = lazy_pattern(rb"[ \t\r\n]*\}")
_COMMA = lazy_pattern(rb"[ \t\r\n]*,")
_TOKEN = lazy_pattern(rb"%b|[{}\[\]]" % _STRING, re.DOTALL)
_SCALAR = lazy_pattern(rb"%b|[^,}\s]++" % _STRING, re.DOTALL)
_OPENS, _CLOSES = frozenset(b"{["), frozenset(b"}]")
_TRANSFER = frozenset({"content-length", "content-encoding"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def replace_model(body: bytes, model: str) -> bytes:
    """The body of a JSON object with this model; all other bytes are unchanged."""
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
    """The positions of the outermost object's `model`; legal JSON may have the key twice."""
    fields = _decode_fields(body)
    text = memoryview(body)
    at = body.index(b"{") + 1
    while key := _KEY.match(body, at):
        name, start = _decode(key[1]), key.end()
        value = memoryview(fields[name])
        end = start + value.nbytes
        if text[start:end] != value:  # the key is there twice, with different values
            end = _end_of_value(body, start)
        if name == "model":
            yield start, end
        if not (comma := _COMMA.match(body, end)):
            return
        at = comma.end()


def _end_of_value(body: bytes, start: int) -> int:
    """The end of the value that begins at `start`."""
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
    """A reply that was read, with the body up to the limit."""

    def __init__(self, reply: HttpReply, body: bytes, *, retriable: bool) -> None:
        self.status = reply.status
        # spec: spent-quota
        advice = {} if retriable else {"x-should-retry": "false"}
        headers = {name: value for name, value in reply.headers.items() if name.lower() not in _TRANSFER}
        self.headers: Mapping[str, str] = headers | advice
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._read()

    async def aclose(self) -> None:
        """There is nothing to close."""

    async def _read(self) -> AsyncIterator[bytes]:
        yield self._body


class PeekedReply:
    """A reply whose first bytes were read in advance."""

    def __init__(self, reply: HttpReply, first: bytes) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self._reply = reply
        self._first = first
        self._chunks = aiter(reply)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The first bytes, then the following ones."""
        first, self._first = self._first, b""
        return first or await anext(self._chunks)

    async def aclose(self) -> None:
        """Close the reply."""
        await self._reply.aclose()
