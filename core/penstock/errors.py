"""Errors and their blame: the client's, the upstream's, or our own.

An `ApiError` has two faces: the HTTP reply while nothing of a response was sent, and `response.failed` afterwards.
It never holds a secret, a stack or another owner's data: its message is for the client's eyes.
"""

from __future__ import annotations

import math
from typing import TypeVar

import msgspec

from penstock.wire import ErrorBody, ErrorDetail, ResponseError

E = TypeVar("E", bound=BaseException)

_encode = msgspec.json.Encoder().encode

_MESSAGE_CHARS_MAX = 4_000
_PARAM_CHARS_MAX = 500
_VALUE_CHARS_MAX = 64
_MS_DIGITS = 3
"""Milliseconds are rounded to so many digits before they are rounded up: 0.1 s is 100 ms, not 101."""
_RETRIABLE = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Statuses that the SDKs try again by themselves, and may."""


class ApiError(Exception):
    """What a client is told. `retry_after_s` is a wait in seconds; `param` a path such as `tools[1].name`."""

    is_upstreams = False
    """Whether an upstream said so."""

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
        """What the SDKs and agents read: when to try again, or that there is no use in it, or that a key is wanted."""
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
        """The `error` of a failed Response, by a code that the SDKs know."""
        if self.status == 429:
            return ResponseError(code="rate_limit_exceeded", message=self.message)
        if (
            self.code == "context_length_exceeded"
        ):  # OpenAI's list of codes lacks it, its server sends it: agents compact
            return ResponseError(code=self.code, message=self.message)
        code = "invalid_prompt" if 400 <= self.status < 500 else "server_error"
        return ResponseError(code=code, message=self.message)


def untraced(error: E) -> E:
    """The error without its traceback and its causes.

    These hold the frames through which it came, and the frames hold the request's body and buffers. Where a frame or an
    object of the request holds the error as well, that is a cycle, and the memory is not free before a collection. So
    an error that is stored, and one that was answered, is stored and answered without them.
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
    """A value in quotes, for a message. A client's value may be of any length, so a long one is cut."""
    return f"'{shortened(value, _VALUE_CHARS_MAX)}'"


def shortened(text: str, chars_max: int) -> str:
    """The first characters of a text, with an ellipsis where it is longer."""
    return text if len(text) <= chars_max else f"{text[:chars_max]}…"


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """The client's fault: 400."""
    return ApiError(message, param=param, code=code)


def not_found(message: str, code: str | None = None, param: str | None = None) -> ApiError:
    """The client asked for what is not there, or is not its own: 404."""
    return ApiError(message, status=404, code=code, param=param)


def rate_limited(message: str, retry_after_s: float) -> ApiError:
    """Too much at once: 429. Agents read the wait from the end of the message."""
    wait = f"{retry_after_s:.3f}".rstrip("0").rstrip(".")
    message = message.rstrip()
    stop = "" if message.endswith((".", "!", "?")) else "."
    return ApiError(
        f"{message}{stop} Please try again in {wait}s.",
        status=429,
        type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after_s=retry_after_s,
    )


def upstream_failed(message: str, *, status: int = 502, retriable: bool | None = None) -> ApiError:
    """The upstream's fault: 502, or 503 and 504 where those say more."""
    return ApiError(message, status=status, type="server_error", code="server_error", retriable=retriable)


def unavailable(message: str, retry_after_s: float) -> ApiError:
    """The upstreams' fault, and known before they are asked: 503, and when there is use in asking again."""
    return ApiError(message, status=503, type="server_error", code="server_error", retry_after_s=retry_after_s)


def stopping() -> ApiError:
    """The server takes nothing more, and ends what it has: 503."""
    message = "The server is stopping: send the request again."
    return ApiError(message, status=503, type="server_error", code="server_stopping", retry_after_s=1.0)


def our_fault() -> ApiError:
    """A bug: 500. What it was is in the log, under the request's id, and not in the reply."""
    return ApiError(
        "The server had an error while processing your request.",
        status=500,
        type="server_error",
        code="server_error",
    )
