"""Signatures of requests to AWS: Signature Version 4, with the standard library.

It knows one request at a time and no clock. Source: "Create a signed AWS API request" of AWS' documentation.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

import msgspec

from .credentials import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"
"""The characters besides letters and digits that a canonical text has as they are."""
_DAYS_CACHED_MAX = 8


class Scope(msgspec.Struct, frozen=True):
    """The region and the service that a signature is valid for."""

    region: str
    service: str


def signed_headers(
    credentials: Credentials,
    scope: Scope,
    *,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    now: float,
) -> dict[str, str]:
    """The headers with `host`, `x-amz-date`, `authorization`, and the token of temporary credentials.

    `headers` have names in lower case; all of them are signed. `now` is in Unix seconds.
    """
    parts = urlsplit(url)
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "host": _host(url), "x-amz-date": stamp}
    if credentials.token is not None:
        signed["x-amz-security-token"] = credentials.token.reveal()
    names = ";".join(sorted(signed))
    lines = [method, _path(parts.path), _query(parts.query)]
    lines += [f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)]
    lines += ["", names, hashlib.sha256(body).hexdigest()]
    day = stamp[:8]
    within = f"{day}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = "\n".join([_ALGORITHM, stamp, within, digest])
    key = _key(credentials.secret.reveal(), day, scope)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    who = f"Credential={credentials.key_id}/{within}"
    return signed | {"authorization": f"{_ALGORITHM} {who}, SignedHeaders={names}, Signature={signature}"}


def _host(url: str) -> str:
    """The value of `host`: without the port that is the scheme's own."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, {"http": 80, "https": 443}[parts.scheme]) else f"{host}:{parts.port}"


def _path(path: str) -> str:
    """The canonical path: that of the request, with its percent signs encoded once more."""
    return quote(path or "/", safe=f"/{_UNRESERVED}")


def _query(query: str) -> str:
    """The canonical query, whose names and values are encoded already: sorted."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(f"{name}={value}" for name, _, value in sorted(pairs))


@lru_cache(_DAYS_CACHED_MAX)
def _key(secret: str, day: str, scope: Scope) -> bytes:
    """The key of one day for one scope."""
    key = f"AWS4{secret}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
