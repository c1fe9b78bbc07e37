"""HTTP without a server: a request as every adapter gives it, a reply as every adapter sends it.

It knows status, headers and bytes. Who parsed the one and who writes the other, only the adapters know.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from penstock import ids
from penstock.errors import ApiError
from penstock.ports import Headers

JSON = ("content-type", "application/json")
SSE: Headers = [
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
    ("x-accel-buffering", "no"),
]

_LENGTH_DIGITS_MAX = 18
"""A longer `content-length` is over any bound."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Request(msgspec.Struct, kw_only=True):
    """A request. Header names are in lower case; `path` is decoded and begins with a slash."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    """What a host has read already."""
    query: str = ""
    receive: Callable[[int], Awaitable[bytes]] | None = None
    """Reads the body that a host has not read yet, at most so many bytes. Raises `ApiError`, and `ClientLeft`."""
    disconnected: Callable[[], Awaitable[None]] | None = None
    """Awaited at most once; returns when the client has left. None where a host cannot tell."""

    @property
    def has_body(self) -> bool:
        """Whether the head announces a body, or there is one."""
        headers = self.headers
        return bool(self.body) or headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

    async def read(self, bytes_max: int) -> bytes:
        """The body, which is read now. Raises `ApiError` 413, of a known length before anything is read."""
        length = self.headers.get("content-length", "")
        # spec: key-first
        if length.isdecimal() and (len(length) > _LENGTH_DIGITS_MAX or int(length) > bytes_max):
            raise body_too_long(bytes_max)
        return self.body if self.receive is None else await self.receive(bytes_max)


class Stream(Protocol):
    """A body that is made while it is sent. Whoever takes it calls `aclose` at the end, in any case."""

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        """The pieces, each to be sent at once and whole. Raises `OSError` where the client is to see the body cut."""

    async def aclose(self) -> None:
        """End the making of it."""


class RecordedStream:
    """A stream that tells when it has ended, however that was."""

    def __init__(self, stream: Stream, end: Callable[[], None]) -> None:
        self._stream = stream
        self._end = end

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        """The pieces, by nothing but the stream itself."""
        return aiter(self._stream)

    async def aclose(self) -> None:
        """End the stream."""
        try:
            await self._stream.aclose()
        finally:
            self._end()


class Reply(msgspec.Struct):
    """A reply. A `bytes` body is sent with its length, a stream as it comes; None is no body."""

    status: int
    headers: Headers
    body: bytes | Stream | None


def body_too_long(bytes_max: int) -> ApiError:
    """The client sends more than is taken: 413."""
    message = f"The body of the request is too long: at most {bytes_max} bytes are taken."
    return ApiError(message, status=413, code="request_too_large")


def json_reply(body: bytes, status: int = 200) -> Reply:
    """A reply whose body is JSON."""
    return Reply(status, [JSON], body)


def error_reply(error: ApiError) -> Reply:
    """An error as the client sees it."""
    return Reply(error.status, [JSON, *error.headers()], error.body())


async def without_body(reply: Reply) -> Reply:
    """The same reply to a `HEAD`: what makes its body is ended."""
    headers = reply.headers
    if isinstance(reply.body, bytes):
        headers = [*headers, ("content-length", str(len(reply.body)))]
    elif reply.body is not None:
        await reply.body.aclose()
    return Reply(reply.status, headers, None)


def identified(reply: Reply, request_id: str) -> Reply:
    """The reply with the id of its request."""
    return Reply(reply.status, [*reply.headers, ("x-request-id", request_id)], reply.body)


def request_id(headers: Mapping[str, str]) -> str:
    """The client's own id of its request, where that is a decent one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else ids.new_id("req_")
