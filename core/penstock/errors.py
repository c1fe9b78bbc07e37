"""Errors of the client, of upstreams, and of this server.

An `ApiError` becomes an HTTP reply while nothing of a response was sent, and `response.failed` afterwards. Its message
is for the client: it never contains a secret, a stack trace or another owner's data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from penstock.wire import ErrorBody, ErrorDetail, ResponseError

E = TypeVar("E", bound=BaseException)

_encode = msgspec.json.Encoder().encode

_MESSAGE_CHARS_MAX = 4_000
_PARAM_CHARS_MAX = 500
_VALUE_CHARS_MAX = 64
_MS_DIGITS = 3
"""Milliseconds are rounded to this many digits before they are rounded up: 0.1 s is 100 ms, not 101."""
_RETRY_AFTER_S = 1.0
"""The wait after a 429 where none is known."""
_RETRIABLE = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Statuses after which SDKs may try again."""


class ApiError(Exception):
    """An error for the client. `retry_after_s` is in seconds. `param` is a path such as `tools[1].name`."""

    is_upstreams = False
    """Whether an upstream sent the error."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        retriable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = shortened(message, _MESSAGE_CHARS_MAX)
        self.status = status
        self.type = type
        self.code = code
        self.param = param and shortened(param, _PARAM_CHARS_MAX)
        self.retry_after_s = retry_after_s
        self.retriable = status in _RETRIABLE if retriable is None else retriable

    def body(self) -> bytes:
        """The JSON body of the HTTP reply."""
        detail = ErrorDetail(message=self.message, type=self.type, param=self.param, code=self.code)
        return _encode(ErrorBody(error=detail))

    def headers(self) -> list[tuple[str, str]]:
        """Headers for SDKs and agents: when to try again, that it is useless to try again, or that a key is needed."""
        challenge = [("www-authenticate", "Bearer")] if self.status == 401 else []
        if not self.retriable:
            return [*challenge, ("x-should-retry", "false")]
        if self.retry_after_s is None:
            return challenge
        return [
            *challenge,
            ("retry-after", str(math.ceil(self.retry_after_s))),
            ("retry-after-ms", str(math.ceil(round(self.retry_after_s * 1000, _MS_DIGITS)))),
        ]

    def response_error(self) -> ResponseError:
        """The `error` of a failed Response, with a code that SDKs know."""
        if self.status == 429:
            return ResponseError(code=self.code or "rate_limit_exceeded", message=self.message)
        if self.code == "context_length_exceeded":  # no code of OpenAI's schema, but it sends it
            return ResponseError(code=self.code, message=self.message)
        code = "invalid_prompt" if 400 <= self.status < 500 else "server_error"
        return ResponseError(code=code, message=self.message)


def untraced(error: E) -> E:
    """The error without its traceback and its causes.

    A traceback refers to frames, and these refer to the request's body and buffers. Where a frame or an object of the
    request also refers to the error, that is a reference cycle, whose memory is freed only by the garbage collector. So
    errors are stored and answered without them.
    """
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is not None:
            links += (link.__cause__, link.__context__)
            # spec: freed-at-once
            link.__traceback__ = link.__cause__ = link.__context__ = None
    return error


def quoted(value: str) -> str:
    """A value in quotes, for a message. A long value is cut, since clients may send any length."""
    return f"'{shortened(value, _VALUE_CHARS_MAX)}'"


def shortened(text: str, chars_max: int) -> str:
    """The first characters of a text, with an ellipsis if it is longer."""
    return text if len(text) <= chars_max else f"{text[:chars_max]}…"


def suggestion(name: str, names: Iterable[str]) -> str:
    """A similar name, as the end of a message, or an empty text."""
    from difflib import get_close_matches

    close = get_close_matches(name[:_VALUE_CHARS_MAX], list(names), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """An error of the client: 400."""
    return ApiError(message, param=param, code=code)


def missing(param: str) -> ApiError:
    """The error for a required parameter that the request does not have: 400."""
    return invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def not_found(message: str, code: str | None = None, param: str | None = None) -> ApiError:
    """The error where an object does not exist, or belongs to another owner: 404."""
    return ApiError(message, status=404, code=code, param=param)


def rate_limited(message: str, retry_after_s: float | None = None) -> ApiError:
    """The error of a limit of rate or number: 429. Agents read the wait from the message, in this form.

    Every such error has a wait: a second where none is known.
    """
    if retry_after_s is None:
        retry_after_s = _RETRY_AFTER_S
    wait = f"try again in {f'{retry_after_s:.3f}'.rstrip('0').rstrip('.')}s"
    message = message.rstrip()
    if wait not in message:
        stop = "" if message.endswith((".", "!", "?")) else "."
        message = f"{message}{stop} Please {wait}."
    return ApiError(
        message,
        status=429,
        type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after_s=retry_after_s,
    )


def quota_spent(message: str, code: str) -> ApiError:
    """The error of an account without credit, as OpenAI answers it: 429, and no use in another attempt."""
    return ApiError(message, status=429, type=code, code=code, retriable=False)


def upstream_failed(message: str, *, status: int = 502, retriable: bool | None = None) -> ApiError:
    """An error of the upstream: 502, or 503 and 504 where those are more exact."""
    return ApiError(message, status=status, type="server_error", code="server_error", retriable=retriable)


def unavailable(message: str, retry_after_s: float) -> ApiError:
    """The error where no upstream can be called now: 503, with the time to try again."""
    return ApiError(message, status=503, type="server_error", code="server_error", retry_after_s=retry_after_s)


def stopping() -> ApiError:
    """The error while the server is stopping: 503."""
    message = "The server is stopping: send the request again."
    return ApiError(message, status=503, type="server_error", code="server_stopping", retry_after_s=1.0)


def out_of_time() -> ApiError:
    """The error where the host of the server ends the request before it has a reply: 504."""
    message = "The request took longer than the host of this server allows."
    return ApiError(message, status=504, type="server_error", code="deadline_exceeded")


def internal_error() -> ApiError:
    """The error of a bug: 500. The log has the details under the request's id. The reply does not."""
    return ApiError(
        "The server had an error while processing your request.",
        status=500,
        type="server_error",
        code="server_error",
    )


def no_background(param: str) -> ApiError:
    """The error of a server that runs no background responses."""
    return invalid("This server runs no background responses.", param, "unsupported_parameter")
