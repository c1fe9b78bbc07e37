"""Compressed request bodies, decompressed with a bound on the size of the result.

It knows the codings of `content-encoding` by name, and how many may be combined.
"""

from __future__ import annotations

import io

from penstock.errors import ApiError
from penstock_adapters.content_codings import Damaged, Unpacker, codings_of, is_supported, supported

CODINGS_MAX = 4
"""How many codings may be combined."""


def decompress(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The body without the codings that `content-encoding` lists, the last decoded first. Raises `ApiError`."""
    codings = codings_of(encoding)
    if len(codings) > CODINGS_MAX:
        raise _refusal(f"lists more than {CODINGS_MAX} codings")
    for coding in reversed(codings):
        body = _undo(coding, body, bytes_max)
    return body


def _undo(coding: str, body: bytes, bytes_max: int) -> bytes:
    if not is_supported(coding):
        raise _unsupported(coding)
    whole = io.BytesIO()
    unpacker = Unpacker(coding)
    try:
        for piece in unpacker.feed(body):
            # spec: encodings
            if whole.tell() + len(piece) > bytes_max:
                raise _too_large(bytes_max)
            whole.write(piece)
        unpacker.close()
    except Damaged as damage:
        raise _refusal(f"names {damage}") from None
    return whole.getvalue()


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
