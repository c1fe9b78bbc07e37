"""The bodies of requests: where each ends, and which of its bytes are the body (RFC 9112, sections 6 and 7).

Pure: bytes in, bytes out. A message that can be read in two ways is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from penstock.errors import ApiError, invalid

from .refusals import too_large

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_EXTENSION = re.compile(rb"(;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+:[\t\x20-\x7e\x80-\xff]*")


class SizedBody(msgspec.Struct):
    """A body with a content-length."""

    left: int
    """How many bytes are missing."""
    is_done: bool = False

    def feed(self, data: bytes, start: int) -> tuple[bytes, int]:
        """The part of the data that is the body, and the index of the rest."""
        end = min(start + self.left, len(data))
        self.left -= end - start
        self.is_done = not self.left
        return data[start:end], end

    def is_shorter_than(self, bytes_max: int) -> bool:
        """Whether at most `bytes_max` bytes are missing."""
        return self.left <= bytes_max


class ChunkedBody:
    """A chunked body. Its extensions and trailers are bounded together and discarded."""

    def __init__(self, extras_bytes_max: int) -> None:
        self._extras_bytes_max = extras_bytes_max
        self._extras_bytes = 0
        self._line = b""
        self._left = 0
        self._take: _Take = ChunkedBody._size  # not a bound method, which would be a reference cycle
        self.is_done = False

    def feed(self, data: bytes, start: int) -> tuple[bytes, int]:
        """The part of the data that is the body, and the index of the rest. Raises `ApiError` 400 and 431."""
        pieces = []
        while start < len(data) and not self.is_done:
            if self._left:
                piece = data[start : start + self._left]
                self._left -= len(piece)
                start += len(piece)
                pieces.append(piece)
            else:
                start = self._read_line(data, start)
        return b"".join(pieces), start

    def is_shorter_than(self, bytes_max: int) -> bool:
        """Whether at most `bytes_max` bytes are missing; for a chunked body that is not known before its end."""
        return self.is_done

    def _read_line(self, data: bytes, start: int) -> int:
        """Read a line when it is complete; the index of the rest."""
        end = data.find(b"\n", start) + 1
        stop = end or len(data)
        if len(self._line) + stop - start > self._extras_bytes_max:
            raise too_large("A line between the chunks", self._extras_bytes_max)
        self._line += data[start:stop]
        if end:
            line, self._line = self._line, b""
            if not line.endswith(b"\r\n"):
                raise _malformed("a line ends without CR")
            self._take(self, line[:-2])
        return stop

    def _size(self, line: bytes) -> None:
        size = _SIZE.match(line)
        # spec: chunks
        if size is None or not _EXTENSION.fullmatch(line, size.end()):
            raise _malformed("the size of a chunk is not a hexadecimal number")
        self._count(len(line) - size.end())
        self._left = int(size[0], 16)
        self._take = ChunkedBody._end_of_chunk if self._left else ChunkedBody._trailer

    def _end_of_chunk(self, line: bytes) -> None:
        if line:
            raise _malformed("a chunk is longer than its size")
        self._take = ChunkedBody._size

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.is_done = True
        elif not _TRAILER.fullmatch(line):
            raise _malformed("a trailer cannot be read")
        self._count(len(line))

    def _count(self, size: int) -> None:
        self._extras_bytes += size
        # spec: chunks
        if self._extras_bytes > self._extras_bytes_max:
            raise too_large("Trailers and chunk extensions", self._extras_bytes_max)


_Take: TypeAlias = Callable[[ChunkedBody, bytes], None]
"""Reads the next line."""


def _malformed(problem: str) -> ApiError:
    return invalid(f"The chunks of the request's body cannot be read: {problem}.", code="malformed_request")
