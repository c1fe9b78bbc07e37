"""HTTP without a server: a request as every door gives it, a reply as every door sends it.

It knows status, headers and bytes. Who parsed the one and who writes the other, only the doors know.
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

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Request(msgspec.Struct, kw_only=True):
    """A request. Header names are in lower case; `path` is decoded and begins with a slash."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    query: str = ""
    disconnected: Callable[[], Awaitable[None]] | None = None
    """Awaited at most once; returns when the client has left. None where a host cannot tell."""


class Stream(Protocol):
    """A body that is made while it is sent. Whoever takes it calls `aclose` at the end, in any case."""

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        """The pieces, each to be sent at once and whole. Raises `OSError` where the client is to see the body cut."""

    async def aclose(self) -> None:
        """End the making of it."""


class Reply(msgspec.Struct):
    """A reply. A `bytes` body is sent with its length, a stream as it comes."""

    status: int
    headers: Headers
    body: bytes | Stream


def json_reply(body: bytes, status: int = 200) -> Reply:
    """A reply whose body is JSON."""
    return Reply(status, [JSON], body)


def error_reply(error: ApiError) -> Reply:
    """An error as the client sees it."""
    return Reply(error.status, [JSON, *error.headers()], error.body())


def identified(reply: Reply, headers: Mapping[str, str]) -> Reply:
    """The reply with the id of its request."""
    return Reply(reply.status, [*reply.headers, ("x-request-id", request_id(headers))], reply.body)


def request_id(headers: Mapping[str, str]) -> str:
    """The client's own id of its request, where that is a decent one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else ids.new_id("req_")
