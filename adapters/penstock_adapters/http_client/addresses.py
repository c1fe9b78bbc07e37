"""The address of an upstream: the parts of its URL that a connection and a request need.

A Unix socket's URL is `http+unix://` and the socket's path with `%2F` for each slash, then the base path as usual:
`http+unix://%2Frun%2Fllama.sock/v1`.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import msgspec

_PORTS = {"http": 80, "https": 443}


class Address(msgspec.Struct, frozen=True):
    """An upstream's address."""

    host: str
    """A name or an IP address without brackets; empty for a Unix socket."""
    port: int
    socket_path: str
    """The file of a Unix socket, or an empty string."""
    is_secure: bool
    authority: str
    """The value of a request's `host` field."""
    base_path: str
    """The prefix of every path, without a slash at its end."""


def address_of(url: str) -> Address:
    """The address in a base URL that the settings have checked."""
    parts = urlsplit(url)
    base_path = parts.path.rstrip("/")
    if parts.scheme == "http+unix":
        return Address("", 0, unquote(parts.netloc), False, "localhost", base_path)
    host = _ascii(parts.hostname or "")
    port = parts.port or _PORTS[parts.scheme]
    bracketed = f"[{host}]" if ":" in host else host
    authority = bracketed if port == _PORTS[parts.scheme] else f"{bracketed}:{port}"
    return Address(host, port, "", parts.scheme == "https", authority, base_path)


def _ascii(host: str) -> str:
    """A name as DNS has it, in ASCII."""
    return host if host.isascii() else host.encode("idna").decode()
