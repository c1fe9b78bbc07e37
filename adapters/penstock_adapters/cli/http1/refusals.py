"""Refusals: the replies to requests that the app never sees, each with its status, and as bytes.

It knows OpenAI's shape of errors by the core alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from penstock.errors import ApiError
from penstock.http import error_reply, identified, request_id

_log = logging.getLogger(__name__)

_TRY_AGAIN_S = 1.0


def malformed(problem: str, status: int = 400) -> ApiError:
    """The request breaks the rules of HTTP."""
    return ApiError(f"Malformed request: {problem}.", status=status, code="malformed_request")


def too_long(bytes_max: int) -> ApiError:
    """The target is longer than is taken: 414."""
    message = f"The target of the request may have at most {bytes_max} bytes."
    return ApiError(message, status=414, code="uri_too_long")


def too_large(what: str, bytes_max: int) -> ApiError:
    """More of a head, or of what stands for one, than is taken: 431."""
    message = f"{what} of the request may have at most {bytes_max} bytes."
    return ApiError(message, status=431, code="request_header_fields_too_large")


def too_many_headers(count_max: int) -> ApiError:
    """More headers than are taken: 431."""
    message = f"The request may have at most {count_max} headers."
    return ApiError(message, status=431, code="request_header_fields_too_large")


def late(what: str, wish: str) -> ApiError:
    """The client takes too long to send its request: 408."""
    return ApiError(f"The {what} of the request has to {wish}.", status=408, code="request_timeout")


def overloaded() -> ApiError:
    """There are too many connections: 503."""
    message = "This server has as many connections as it may."
    return ApiError(message, status=503, type="server_error", code="server_overloaded", retry_after_s=_TRY_AGAIN_S)


def refusal(error: ApiError, asked: Iterable[tuple[bytes, bytes]], headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The last reply of a connection, and a line of the log. `asked` are the request's headers, as far as they came."""
    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in asked}
    asked_id = request_id(given)
    reply = identified(error_reply(error), asked_id)
    assert isinstance(reply.body, bytes)
    facts = {"status": reply.status, "code": error.code, "request_id": asked_id}
    _log.info("refused before it was read", extra={"fields": facts})
    fields = [*headers, *((name.encode(), value.encode()) for name, value in reply.headers)]
    fields += [(b"content-length", b"%d" % len(reply.body)), (b"connection", b"close")]
    if reply.status == 426:
        fields.append((b"sec-websocket-version", b"13"))
    head = b"".join(b"%b: %b\r\n" % field for field in fields)
    return b"%b%b\r\n%b" % (STATUS_LINE[reply.status], head, reply.body)
