"""Results: HTTP replies as JSON, in the form of their event, or as the prelude of a stream.

It knows how each form names status, headers and cookies, and how long a result may be.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from penstock.errors import ApiError
from penstock.http import error_reply
from penstock.ports import Headers

from .events import Form

RESULT_BYTES_MAX = 6 * 1024 * 1024
"""The length of a result in JSON, by Lambda's quotas."""
LOAD_BALANCER_BYTES_MAX = 1024 * 1024
"""The length of a result behind a load balancer."""
PRELUDE_END = bytes(8)
"""What separates the prelude of a stream from its body."""
_COOKIE = "set-cookie"


def bytes_max(form: Form) -> int:
    """How long a result of this form may be, in bytes of JSON."""
    return LOAD_BALANCER_BYTES_MAX if form.startswith("load_balancer") else RESULT_BYTES_MAX


def result(form: Form, status: int, headers: Headers, body: bytes) -> dict[str, Any]:
    """The reply as the result of a function. One that is too long becomes an error."""
    made = _result(form, status, headers, body)
    # spec: function-results
    if len(msgspec.json.encode(made)) <= bytes_max(form):
        return made
    reply = error_reply(too_long(form))
    assert isinstance(reply.body, bytes)
    return _result(form, reply.status, reply.headers, reply.body)


def too_long(form: Form) -> ApiError:
    """The error for a reply that is longer than the result of a function may be: 502."""
    message = f"The reply is longer than a function may return here: {bytes_max(form)} bytes. Ask for a shorter one."
    return ApiError(message, status=502, type="server_error", code="response_too_large")


def prelude(status: int, headers: Headers) -> bytes:
    """What a stream begins with: status and headers in JSON, and the separator."""
    return msgspec.json.encode({"statusCode": status} | _single(headers)) + PRELUDE_END


def _result(form: Form, status: int, headers: Headers, body: bytes) -> dict[str, Any]:
    text = _text(headers, body)
    made: dict[str, Any] = {
        "statusCode": status,
        "body": b64encode(body).decode() if text is None else text,
        "isBase64Encoded": text is None,
    }
    if form == "http":
        return made | _single(headers)
    if form == "rest":
        return made | {"multiValueHeaders": _multiple(headers)}
    made["statusDescription"] = f"{status} {_phrase(status)}"
    if form == "load_balancer":
        return made | {"headers": dict(headers)}
    return made | {"multiValueHeaders": _multiple(headers)}


def _text(headers: Headers, body: bytes) -> str | None:
    """The body as text. None where it is compressed or not UTF-8: then it is sent in base64."""
    if any(name == "content-encoding" for name, _ in headers):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _single(headers: Headers) -> dict[str, Any]:
    """Headers with joined values, and the cookies, which cannot be joined, beside them."""
    joined = {name: ", ".join(values) for name, values in _multiple(headers).items() if name != _COOKIE}
    cookies = [value for name, value in headers if name == _COOKIE]
    return {"headers": joined} | ({"cookies": cookies} if cookies else {})


def _multiple(headers: Headers) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def _phrase(status: int) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
