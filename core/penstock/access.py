"""Access control: API keys. While there are none, only pages and programs of this machine have access.

It knows headers and keys. Any page can make a browser on this machine post to a local port, and a host name can be made
to resolve to this machine (DNS rebinding). So without keys, `Host` must be local or allowed by a setting, and so must
`Origin` if there is one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from penstock import ids
from penstock.errors import ApiError
from penstock.origins import NO_ORIGINS, Origins
from penstock.secrets import Secret

ANONYMOUS = "anonymous"
_OWNER_DIGITS = 32
"""The digits of an owner: 128 bits of a hash, so that no row reveals the key and owners do not collide."""
_NAMED = "name-"
"""The prefix of the owner of a named key. The owner of a key without a name is hexadecimal digits only."""
_HOSTS_MAX = 256
"""The entries of the cache of parsed hosts and origins. It is bounded, since clients choose them."""
_URL_CHARS_MAX = 300
"""The longest URL in that cache."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """The hash of a client's key, and its owner."""

    digest: bytes
    """The SHA-256 of the key. A key is long and random, so that no slower hash is needed."""
    name: str
    """Its name in the log."""
    owner: str
    expires_at: float | None = None
    """The time from which on it is refused, in Unix seconds."""


def named_key(name: str, digest: bytes, expires_at: float | None = None) -> AccessKey:
    """A key with a name. Its owner is the name, so that a new key of that name has the same rows."""
    owner = _NAMED + hashlib.sha256(name.encode()).hexdigest()[:_OWNER_DIGITS]
    return AccessKey(digest=digest, name=name, owner=owner, expires_at=expires_at)


def key_digest(key: str) -> bytes:
    """The hash of a key, which is stored in its place."""
    return hashlib.sha256(key.encode()).digest()


class Access:
    """Checks each request before its route is called. `any_host` disables the check of `Host`, for open servers.

    With `is_exposed` others can reach the server under any `Host`: without keys and `any_host` no request has access.
    """

    def __init__(
        self,
        keys: Sequence[Secret],
        *,
        named: Sequence[AccessKey] = (),
        allowed_hosts: Iterable[str] = (),
        any_host: bool = False,
        is_exposed: bool = False,
        origins: Origins = NO_ORIGINS,
        now_s: ids.Now = ids.now_s,
    ) -> None:
        self._keys = [*map(_plain_key, range(len(keys)), keys), *named]
        self._names = {key.owner: key.name for key in self._keys}
        self._now_s = now_s
        self._allowed_hosts = _LOCAL | {name.lower() for name in allowed_hosts}
        self._any_host = any_host
        self._is_closed = is_exposed and not any_host and not self._keys
        self._origins = origins

    def check(self, headers: Mapping[str, str]) -> str:
        """The caller as the owner of rows. Without keys, all callers are one anonymous owner.

        Raises `ApiError`: 401 for a missing, wrong or expired key, and 403 for a page or host name that is not allowed.
        """
        if self._keys:
            return self._check_key(bearer(headers))
        # spec: exposed-functions
        if self._is_closed:
            raise _closed()
        self._check_local(headers)
        return ANONYMOUS

    def check_change(self, headers: Mapping[str, str]) -> None:
        """Check a request that changes the server, after `check`: no page of another site may send it.

        Without keys, `Host` and `Origin` must be local, whatever the settings allow. With a key, `allowed_hosts` may
        be origins too. Raises `ApiError` 403.
        """
        # spec: synthetic-live
        if not self._keys and _host_name(f"//{headers.get('host', '')}") not in _LOCAL:
            message = "Without API keys, this server can be changed under a local 'Host' only, such as localhost."
            raise ApiError(message, status=403, code="forbidden_host")
        origin = headers.get("origin")
        if origin and _host_name(origin) not in (self._allowed_hosts if self._keys else _LOCAL):
            raise ApiError("Pages of this 'Origin' may not change this server.", status=403, code="forbidden_origin")

    def name_of(self, owner: str) -> str:
        """The name of the key of this owner. Empty where no key is needed."""
        return self._names.get(owner, "")

    def _check_key(self, given: Secret | None) -> str:
        if given is None:
            message = "You didn't provide an API key: send it as 'Authorization: Bearer YOUR_KEY'."
            raise ApiError(message, status=401, code="invalid_api_key")
        digest = key_digest(given.reveal())
        matches = [key for key in self._keys if hmac.compare_digest(digest, key.digest)]
        if not matches:  # all keys are compared, so that the time does not depend on the key
            raise ApiError("Incorrect API key provided.", status=401, code="invalid_api_key")
        key = matches[0]
        if key.expires_at is not None and self._now_s() >= key.expires_at:
            raise ApiError("This API key has expired: ask for a new one.", status=401, code="invalid_api_key")
        return key.owner

    def _check_local(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        # spec: no-host
        if not self._any_host and _host_name(f"//{host}") not in self._allowed_hosts:
            raise _foreign("with this 'Host'" if host else "without a 'Host'", "allowed_hosts")
        origin = headers.get("origin")
        if origin and _host_name(origin) not in self._allowed_hosts and not self._origins.allow(origin):
            raise _foreign("with this 'Origin'", "allowed_hosts, or the page to allowed_origins")


def _plain_key(index: int, key: Secret) -> AccessKey:
    """A key without a name. Its owner is its hash. Its name in the log is its index in the setting."""
    digest = key_digest(key.reveal())
    return AccessKey(digest=digest, name=f"api_keys[{index}]", owner=digest.hex()[:_OWNER_DIGITS])


def bearer(headers: Mapping[str, str]) -> Secret | None:
    """The bearer token of the `authorization` header, if there is one (RFC 6750)."""
    given = headers.get("authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(" ")
    return Secret(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


def _host_name(url: str) -> str | None:
    """The host of a URL without its port. None for a text that is no URL, such as the origin `null`."""
    # spec: bounded-caches
    return _known_host_name(url) if len(url) <= _URL_CHARS_MAX else _read_host_name(url)


def _read_host_name(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a wrong port
        return parts.hostname
    except ValueError:
        return None


_known_host_name = lru_cache(_HOSTS_MAX)(_read_host_name)


def _closed() -> ApiError:
    message = (
        "This server has no API keys, and others can reach it. Set PENSTOCK_API_KEYS, or PENSTOCK_ALLOW_ANONYMOUS=true "
        "if its host checks who calls it."
    )
    return ApiError(message, status=401, code="invalid_api_key")


def _foreign(which: str, setting: str) -> ApiError:
    message = (
        f"Requests {which} are refused while the server has no API keys. "
        f"Configure API keys, or add the name to {setting}."
    )
    return ApiError(message, status=403, code="forbidden_host")
