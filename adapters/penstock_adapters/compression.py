"""Compressed request bodies: gzip, deflate, br and zstd, unpacked with a bound on what comes out.

It knows the codings of `content-encoding`, and imports a library when a body first needs it. It unpacks by windows, so
that a bomb costs the bound and a window, never what it claims to hold.
"""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from penstock.errors import ApiError

WINDOW_BYTES = 64 * 2**10
"""How much goes into a decompressor, and about how much comes out of it, at a time."""
CODINGS_MAX = 4
"""How many codings may lie over each other."""
FRAMES_MAX = 10_000
"""How many gzip members or zstd frames may follow each other: an empty one costs a few bytes, and takes its time."""
ZSTD_WINDOW_LOG_MAX = 23
"""8 MiB, what RFC 9659 allows on the web: a frame could ask for gigabytes before its first byte."""


def decompress(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The body without the codings that `content-encoding` lists, the last undone first. Raises `ApiError`."""
    codings = [coding for part in encoding.split(",") if (coding := part.strip().lower()) not in ("", "identity")]
    if len(codings) > CODINGS_MAX:
        raise _refusal(f"lists more than {CODINGS_MAX} codings")
    for coding in reversed(codings):
        body = _undo(coding, body, bytes_max)
    return body


def supported() -> list[str]:
    """The codings that can be undone here, by their usual names."""
    return [coding for coding in _STREAMS if coding != "x-gzip" and _has_library(coding)]


def _undo(coding: str, body: bytes, bytes_max: int) -> bytes:
    if coding not in _STREAMS or not _has_library(coding):
        raise _unsupported(coding)
    whole = io.BytesIO()
    for piece in _pieces(coding, body):
        if whole.tell() + len(piece) > bytes_max:
            raise _too_large(bytes_max)
        whole.write(piece)
    return whole.getvalue()


def _pieces(coding: str, body: bytes) -> Iterator[bytes]:
    """What comes out, frame after frame, window by window."""
    start = _STREAMS[coding]
    stream, frames = start(body), 1
    for begin in range(0, len(body), WINDOW_BYTES):
        rest = body[begin : begin + WINDOW_BYTES]
        while rest or stream.is_full:
            if stream.is_done:
                stream, frames = start(body), frames + 1
                if frames > stream.frames_max:
                    raise _refusal(f"says {coding}, but the body goes on after its end")
            try:
                piece, rest = stream.feed(rest)
            except stream.error:
                raise _refusal(f"says {coding}, but the body is not, or it is damaged") from None
            yield piece
    if not stream.is_done:
        raise _refusal(f"says {coding}, but the body ends too early")


class _Stream(Protocol):
    """One frame being unpacked, by whichever library."""

    @property
    def error(self) -> type[Exception]:
        """What `feed` raises for broken data."""

    @property
    def frames_max(self) -> int:
        """How many frames a body may have."""

    @property
    def is_done(self) -> bool:
        """Whether the frame's end was seen."""

    @property
    def is_full(self) -> bool:
        """Whether more comes out before anything more goes in."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """About a window of what comes out, and what of the data is still to be fed."""


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


class _Brotli:
    """A brotli stream; the library refuses what follows its end."""

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
        """It may say that it accepts more while it still has something to give: the size of the piece tells."""
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


def _gzip(body: bytes) -> _Zlib:
    return _Zlib(31, FRAMES_MAX)


def _deflate(body: bytes) -> _Zlib:
    """With zlib's frame, as the RFC has it, or bare, as some clients do: the first two bytes tell."""
    is_framed = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _Zlib(15 if is_framed else -15)


_STREAMS: dict[str, Callable[[bytes], _Stream]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": lambda body: _Brotli(),
    "zstd": lambda body: _Zstd(),
}


@cache
def _has_library(coding: str) -> bool:
    try:
        _STREAMS[coding](b"")
    except ModuleNotFoundError:
        return False
    return True


def _refusal(problem: str) -> ApiError:
    return ApiError(f"The content-encoding header {problem}.", code="invalid_content_encoding")


def _unsupported(coding: str) -> ApiError:
    return ApiError(
        f"The content-encoding {coding[:40]!r} is not supported; supported are {', '.join(supported())}.",
        status=415,
        code="unsupported_content_encoding",
    )


def _too_large(bytes_max: int) -> ApiError:
    return ApiError(
        f"The request's body is larger than {bytes_max} bytes once it is decompressed.",
        status=413,
        code="request_too_large",
    )
