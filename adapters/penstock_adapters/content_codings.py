"""Content codings: gzip, deflate, br and zstd, decoded as the bytes arrive.

It imports a library when a coding is first needed. It decompresses in windows, so that a decompression bomb costs one
window of memory; the reader of the windows decides how many it takes.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Protocol

WINDOW_BYTES = 64 * 2**10
"""About how many bytes go into a decompressor, and come out of it, at a time."""
FRAMES_MAX = 10_000
"""How many gzip members or zstd frames a body may have: empty ones are small, but take time."""
ZSTD_WINDOW_LOG_MAX = 23
"""8 MiB, which RFC 9659 allows on the web: a frame could ask for gigabytes before its first byte."""


class Damaged(Exception):
    """The bytes are not valid in their coding. The message continues a sentence that begins with the coding's name."""


def codings_of(field: str) -> list[str]:
    """The codings in a `content-encoding` field, in lower case."""
    return [coding for part in field.split(",") if (coding := part.strip().lower()) not in ("", "identity")]


def is_supported(coding: str) -> bool:
    """Whether this coding can be decoded here."""
    return coding in _STREAMS and _has_library(coding)


def supported() -> list[str]:
    """The codings that can be decoded here, by their usual names."""
    return [coding for coding in _STREAMS if coding != "x-gzip" and _has_library(coding)]


class Unpacker:
    """Decodes one coding. It raises `Damaged`."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._begin = _STREAMS[coding]
        self._stream = self._begin()
        self._frames = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded bytes, in windows; a frame may follow another."""
        for begin in range(0, len(data), WINDOW_BYTES):
            rest = data[begin : begin + WINDOW_BYTES]
            while rest or self._stream.is_full:
                if self._stream.is_done:
                    self._next_frame()
                try:
                    piece, rest = self._stream.feed(rest)
                except self._stream.error:
                    raise Damaged(f"{self._coding}, but the body is not, or it is damaged") from None
                yield piece

    def close(self) -> None:
        """There are no more bytes. Raises `Damaged` if some are missing."""
        if not self._stream.is_done:
            raise Damaged(f"{self._coding}, but the body ends too early")

    def _next_frame(self) -> None:
        self._stream = self._begin()
        self._frames += 1
        if self._frames > self._stream.frames_max:
            raise Damaged(f"{self._coding}, but the body goes on after its end")


def unpacked(unpackers: Sequence[Unpacker], data: bytes) -> Iterator[bytes]:
    """The bytes with one coding after the other decoded."""
    if not unpackers:
        yield data
        return
    for piece in unpackers[0].feed(data):
        yield from unpacked(unpackers[1:], piece)


class _Stream(Protocol):
    """The decompressor of one frame, by any library."""

    @property
    def error(self) -> type[Exception]:
        """The exception of `feed` for broken data."""

    @property
    def frames_max(self) -> int:
        """How many frames a body may have."""

    @property
    def is_done(self) -> bool:
        """Whether the frame has ended."""

    @property
    def is_full(self) -> bool:
        """Whether there is output without further input."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """About a window of output, and the input that is left."""


class _Zlib:
    """One gzip member (31), or one deflate stream with zlib's frame (15) or bare (-15)."""

    error = zlib.error

    def __init__(self, window_bits: int, frames_max: int = 1) -> None:
        self.frames_max = frames_max
        self.is_full = False
        self._inflate = zlib.decompressobj(window_bits)

    @property
    def is_done(self) -> bool:
        return self._inflate.eof

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._inflate.decompress(data, WINDOW_BYTES)
        self.is_full = len(piece) == WINDOW_BYTES and not self._inflate.eof
        return piece, self._inflate.unconsumed_tail or self._inflate.unused_data


class _Deflate:
    """A deflate stream with zlib's frame (RFC 9110), or without it, as some send it: the first two bytes decide."""

    error = zlib.error
    frames_max = 1

    def __init__(self) -> None:
        self._first = b""
        self._stream: _Zlib | None = None

    @property
    def is_done(self) -> bool:
        return self._stream is not None and self._stream.is_done

    @property
    def is_full(self) -> bool:
        return self._stream is not None and self._stream.is_full

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        if self._stream is None:
            data, self._first = self._first + data, b""
            if len(data) < 2:
                self._first = data
                return b"", b""
            is_framed = data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._stream = _Zlib(15 if is_framed else -15)
        return self._stream.feed(data)


class _Brotli:
    """A brotli stream; the library rejects bytes after its end."""

    frames_max = 1

    def __init__(self) -> None:
        library: Any = import_module("brotli")
        self.error = library.error
        self.is_full = False
        self._stream = library.Decompressor()

    @property
    def is_done(self) -> bool:
        return bool(self._stream.is_finished())

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The library may accept input while it still has output: the size of the output shows it."""
        piece = self._stream.process(data, output_buffer_limit=WINDOW_BYTES)
        is_waiting = len(piece) >= WINDOW_BYTES or not self._stream.can_accept_more_data()
        self.is_full = is_waiting and not self.is_done
        return piece, b""


class _Zstd:
    """One zstd frame; it may be a skippable one."""

    frames_max = FRAMES_MAX

    def __init__(self) -> None:
        library: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
        self.error = library.ZstdError
        limit = {library.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX}
        self._stream = library.ZstdDecompressor(options=limit)

    @property
    def is_done(self) -> bool:
        return bool(self._stream.eof)

    @property
    def is_full(self) -> bool:
        return not (self._stream.eof or self._stream.needs_input)

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._stream.decompress(data, WINDOW_BYTES)
        return piece, self._stream.unused_data


def _gzip() -> _Zlib:
    return _Zlib(31, FRAMES_MAX)


# spec: encodings
_STREAMS: dict[str, Callable[[], _Stream]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


@cache
def _has_library(coding: str) -> bool:
    try:
        _STREAMS[coding]()
    except ModuleNotFoundError:
        return False
    return True
