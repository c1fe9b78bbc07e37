"""HTTP without a server: the requests that adapters pass in, and the replies that they send.

It knows status, headers and bytes. Adapters parse requests and write replies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NoReturn, Protocol, TypeAlias

import msgspec

from penstock import ids
from penstock.errors import ApiError
from penstock.patterns import lazy_pattern
from penstock.ports import DirectSource, Headers, Outlet

_JSON_TYPE = "application/json"
JSON = ("content-type", _JSON_TYPE)
SSE: Headers = [
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
    ("x-accel-buffering", "no"),
]

Decompress: TypeAlias = Callable[[bytes, str, int], bytes]
"""`decompress(body, content_encoding, bytes_max)`; raises `ApiError`."""

_LENGTH_DIGITS_MAX = 18
"""The digits of a `content-length`. A longer one is over any limit."""
_REQUEST_ID = lazy_pattern(r"[A-Za-z0-9._-]{1,128}")


def no_encodings(body: bytes, encoding: str, bytes_max: int) -> NoReturn:
    """A `Decompress` that supports no encoding. Raises `ApiError` 415."""
    raise ApiError(f"Bodies with content-encoding '{encoding}' are not supported here.", status=415)


class Request(msgspec.Struct, kw_only=True):
    """A request. Header names are in lower case; `path` is decoded and begins with a slash."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    """The body, as far as the adapter has read it already."""
    root_path: str = ""
    """Where clients find this server below its host, such as `/llm`; `path` comes after it."""
    query: str = ""
    receive: Callable[[int], Awaitable[bytes]] | None = None
    """Reads the rest of the body, of at most this many bytes. Raises `ApiError`, and `ClientLeft`."""
    disconnected: Callable[[], Awaitable[None]] | None = None
    """Returns when the client has left. It is awaited at most once. None where the adapter cannot detect it."""
    deadline_s: float | None = None
    """When the host ends the request, by `time.monotonic`: it is answered before. None where no host does."""

    @property
    def has_body(self) -> bool:
        """Whether the request has a body, by its headers or in fact."""
        headers = self.headers
        return bool(self.body) or headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

    async def read(self, bytes_max: int) -> bytes:
        """Read the body. Raises `ApiError` 413, before anything is read where `content-length` shows it."""
        if self.receive is None:
            return self.whole(bytes_max)
        length = self.headers.get("content-length", "")
        # spec: key-first
        if length.isdecimal() and (len(length) > _LENGTH_DIGITS_MAX or int(length) > bytes_max):
            raise body_too_long(bytes_max)
        return await self.receive(bytes_max)

    def whole(self, bytes_max: int) -> bytes:
        """The body, where the adapter has read all of it. Raises `ApiError` 413."""
        if len(self.body) > bytes_max:
            raise body_too_long(bytes_max)
        return self.body


class Stream(Protocol):
    """A body that is made while it is sent. Its consumer always calls `aclose` at the end."""

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        """The pieces, each of which is sent at once. Raises `OSError` where the client's connection has to be cut."""

    async def aclose(self) -> None:
        """End the stream, and release all that it uses."""


class RecordedStream(DirectSource[bytes | bytearray]):
    """A stream that calls `end` when it has ended, for any reason."""

    def __init__(self, stream: Stream, end: Callable[[], None]) -> None:
        self._stream = stream
        self._end = end

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        """The pieces of the stream."""
        return aiter(self._stream)

    def send_to(self, outlet: Outlet[bytes | bytearray]) -> None:
        """Send pieces directly, if the stream can."""
        if isinstance(self._stream, DirectSource):
            self._stream.send_to(outlet)

    async def aclose(self) -> None:
        """End the stream."""
        try:
            await self._stream.aclose()
        finally:
            self._end()


class Reply(msgspec.Struct):
    """A reply. A `bytes` body is sent with its length, and a stream piece by piece. None is no body."""

    status: int
    headers: Headers
    body: bytes | Stream | None


def body_too_long(bytes_max: int) -> ApiError:
    """The error for a body that is too long: 413."""
    message = f"The body of the request is too long: at most {bytes_max} bytes are allowed."
    return ApiError(message, status=413, code="request_too_large")


def check_json_type(given: str) -> None:
    """Raises `ApiError` 415 for a `content-type` that is not JSON."""
    if given == _JSON_TYPE:
        return
    media_type = given.partition(";")[0].strip().lower()
    if media_type != _JSON_TYPE:
        message = f"Unsupported content type: '{media_type}'. Send the body as '{_JSON_TYPE}'."
        raise ApiError(message, status=415, code="unsupported_content_type")


def json_reply(body: bytes, status: int = 200) -> Reply:
    """A reply whose body is JSON."""
    return Reply(status, [JSON], body)


def error_reply(error: ApiError) -> Reply:
    """The reply of an error."""
    return Reply(error.status, [JSON, *error.headers()], error.body())


async def without_body(reply: Reply) -> Reply:
    """The reply to a `HEAD` request: without its body, whose stream is closed."""
    headers = reply.headers
    if isinstance(reply.body, bytes):
        headers = [*headers, ("content-length", str(len(reply.body)))]
    elif reply.body is not None:
        await reply.body.aclose()
    return Reply(reply.status, headers, None)


def identified(reply: Reply, request_id: str) -> Reply:
    """The reply with the id of its request in its headers."""
    return Reply(reply.status, [*reply.headers, ("x-request-id", request_id)], reply.body)


def request_id(headers: Mapping[str, str]) -> str:
    """The client's id of the request, if it is valid, or a new one."""
    given = headers.get("x-request-id")
    return given if given and _REQUEST_ID.fullmatch(given) else ids.new_id("req_")
