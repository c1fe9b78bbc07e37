"""Rejections: the replies to requests that the app does not receive, as bytes and with a status each.

It knows OpenAI's error objects through the core only.
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
    """The error for a request that breaks the rules of HTTP."""
    return ApiError(f"Malformed request: {problem}.", status=status, code="malformed_request")


def too_long(bytes_max: int) -> ApiError:
    """The error for a target that is too long: 414."""
    message = f"The target of the request may have at most {bytes_max} bytes."
    return ApiError(message, status=414, code="uri_too_long")


def too_large(what: str, bytes_max: int) -> ApiError:
    """The error for a head, chunk lines or trailers that are too large: 431."""
    message = f"{what} of the request may have at most {bytes_max} bytes."
    return ApiError(message, status=431, code="request_header_fields_too_large")


def too_many_headers(count_max: int) -> ApiError:
    """The error for too many headers: 431."""
    message = f"The request may have at most {count_max} headers."
    return ApiError(message, status=431, code="request_header_fields_too_large")


def late(what: str, rule: str) -> ApiError:
    """The error for a client that takes too long to send its request: 408."""
    return ApiError(f"The {what} of the request has to {rule}.", status=408, code="request_timeout")


def overloaded() -> ApiError:
    """The error for too many connections: 503."""
    message = "This server has as many connections as it may."
    return ApiError(message, status=503, type="server_error", code="server_overloaded", retry_after_s=_TRY_AGAIN_S)


def refusal(error: ApiError, asked: Iterable[tuple[bytes, bytes]], headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The last reply of a connection, which is logged. `asked` are the request's headers that have arrived."""
    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in asked}
    asked_id = request_id(given)
    reply = identified(error_reply(error), asked_id)
    assert isinstance(reply.body, bytes)
    details = {"status": reply.status, "code": error.code, "request_id": asked_id}
    _log.info("rejected before it was read", extra={"fields": details})
    fields = [*headers, *((name.encode(), value.encode()) for name, value in reply.headers)]
    fields += [(b"content-length", b"%d" % len(reply.body)), (b"connection", b"close")]
    if reply.status == 426:
        fields.append((b"sec-websocket-version", b"13"))
    head = b"".join(b"%b: %b\r\n" % field for field in fields)
    return b"%b%b\r\n%b" % (STATUS_LINE[reply.status], head, reply.body)
