"""The heads of requests: which are rejected, and what they mean for the connection and the body (RFC 9112).

It knows header fields that httptools has parsed. It does not know what is requested.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeAlias
from urllib.parse import unquote

import httptools
import msgspec

from penstock.errors import ApiError
from penstock.limits import Limits

from .bodies import ChunkedBody, SizedBody
from .refusals import malformed, too_many_headers

Fields: TypeAlias = list[tuple[bytes, bytes]]
Body: TypeAlias = SizedBody | ChunkedBody

_VERSIONS = ("1.1", "1.0")
_WEBSOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
"""16 bytes in base64."""
_HOST = re.compile(rb"[^\x00-\x20/@?#\\,\x7f-\xff]*")


class Target(msgspec.Struct, frozen=True):
    """The target of a request: its path as sent and decoded, its query, and the host that it names, if any."""

    raw_path: bytes
    path: str
    query: bytes
    host: bytes | None


class Head(msgspec.Struct, frozen=True):
    """What a head contains besides the target."""

    fields: dict[bytes, bytes]
    """The headers by name, in lower case."""
    body: Body | None = None
    """None where there is no body."""
    expects_continue: bool = False
    upgrades: bool = False
    """Whether it requests WebSocket."""


_UNUSUAL = frozenset({b"content-length", b"transfer-encoding", b"upgrade"})
"""A request without any of these fields has no body and no upgrade."""


def read_target(url: bytes, method: bytes) -> Target:
    """The target in any of its forms (RFC 9112, section 3.2). Raises `ApiError` 400."""
    if url.startswith(b"/"):
        raw_path, _, query = url.partition(b"#")[0].partition(b"?")
        return _target(raw_path, query, None)
    if url == b"*" and method == b"OPTIONS":  # the whole server
        return _target(b"/", b"", None)
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        raise malformed("its target cannot be read") from None
    if not parsed.schema or parsed.schema.lower() not in (b"http", b"https") or parsed.userinfo is not None:
        raise malformed("its target is neither a path nor the URL of one")
    host = url.split(b"/", 3)[2].partition(b"?")[0]
    return _target(parsed.path or b"/", parsed.query or b"", host)


def _target(raw_path: bytes, query: bytes, host: bytes | None) -> Target:
    path = raw_path.decode("ascii")
    return Target(raw_path, unquote(path) if "%" in path else path, query, host)


def read_head(fields: Fields, method: bytes, version: str, limits: Limits) -> Head:
    """Read the fields. Raises `ApiError` 400, 431, 501 and 505."""
    if version not in _VERSIONS:
        raise malformed(f"HTTP/{version} is not served, but HTTP/1.1", 505)
    # spec: heads
    if len(fields) > limits.request_headers_max:
        raise too_many_headers(limits.request_headers_max)
    found = dict(fields)
    if len(found) < len(fields):
        found = _combined(fields)
    host = found.get(b"host")
    if host is None or not _HOST.fullmatch(host):
        _check_host(host, version)
    if found.keys().isdisjoint(_UNUSUAL):
        return Head(found)
    body = _body(found, version, limits)
    upgrades = method == b"GET" and body is None and version == "1.1" and _asks_for_websocket(found)
    if upgrades:
        _check_handshake(found)
    expects_continue = body is not None and version == "1.1" and _has(found, b"expect", b"100-continue")
    return Head(found, body, expects_continue, upgrades)


def texts_of(values: Collection[bytes]) -> list[str]:
    """The names or the values of fields as text. They contain no line breaks, so that all are decoded at once."""
    return b"\n".join(values).decode("latin-1").split("\n") if values else []


def _combined(fields: Fields) -> dict[bytes, bytes]:
    """The values of a header that occurs several times are a list with commas (RFC 9110, section 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        found[name] = value if name not in found else found[name] + b", " + value
    return found


def _has(found: dict[bytes, bytes], name: bytes, token: bytes) -> bool:
    """Whether a header's list contains this token, in any case."""
    value = found.get(name)
    return value is not None and any(each.strip() == token for each in value.lower().split(b","))


def _asks_for_websocket(found: dict[bytes, bytes]) -> bool:
    return _has(found, b"upgrade", b"websocket") and _has(found, b"connection", b"upgrade")


def _check_host(host: bytes | None, version: str) -> None:
    """Only HTTP/1.0 allows requests without a host."""
    if host is not None:
        raise malformed("its Host header is none, or there are several")
    if version != "1.0":
        raise malformed("it has no Host header")


def _body(found: dict[bytes, bytes], version: str, limits: Limits) -> Body | None:
    coding = found.get(b"transfer-encoding")
    if coding is None:
        length = int(found.get(b"content-length", b"0"))  # httptools has checked that it is one number
        return SizedBody(length) if length else None
    if b"content-length" in found or version == "1.0":
        raise malformed("it has a Transfer-Encoding where none may be")
    if coding.strip(b"\t ").lower() != b"chunked":
        message = "Of transfer codings, 'chunked' alone is supported."
        raise ApiError(message, status=501, code="unsupported_transfer_encoding")
    return ChunkedBody(limits.request_head_bytes_max)


def _check_handshake(found: dict[bytes, bytes]) -> None:
    """A handshake has a version and a key (RFC 6455, section 4.2.1)."""
    if found.get(b"sec-websocket-version") != b"13":
        raise malformed("of WebSocket, version 13 alone is served", 426)
    if not _WEBSOCKET_KEY.fullmatch(found.get(b"sec-websocket-key", b"")):
        raise malformed("its Sec-WebSocket-Key is none")
