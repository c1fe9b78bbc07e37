"""Credentials: from variables, from the container's endpoint, or from the instance's metadata.

It knows the order in which SDKs of AWS look for them, without files and without single sign-on, which a server does not
have: the variables that Lambda sets; the endpoint of ECS, EKS and SnapStart; the metadata service of EC2 (version 2).
Temporary credentials are renewed before they expire.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from penstock.engine.loops import LoopLock
from penstock.ports import Headers, HttpRequest, Transport, TransportError
from penstock.secrets import Secret

from .bodies import whole_body

ConnectUrl = Callable[[str], Transport]
"""Makes a transport to a base URL."""

_CONTAINER = "http://169.254.170.2"
_INSTANCE = "http://169.254.169.254"
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]")
"""The hosts that a container's endpoint without TLS may have."""
_RENEWED_BEFORE_S = 300.0
"""How many seconds before their end credentials are renewed."""
_ANSWER_S = 5.0
_ANSWER_BYTES_MAX = 64 * 2**10
_TOKEN_S = "21600"

_log = logging.getLogger("penstock.aws")


class Credentials(msgspec.Struct, frozen=True):
    """A key with its secret. Temporary ones have a token, and an end in Unix seconds."""

    key_id: str
    secret: Secret
    token: Secret | None = None
    expires_at: float | None = None


class NoCredentials(Exception):
    """There are no credentials, or their source does not answer."""


class _Answer(msgspec.Struct, rename="pascal"):
    """The answer of an endpoint."""

    access_key_id: str
    secret_access_key: str
    token: str
    expiration: datetime


_decode = msgspec.json.Decoder(_Answer).decode


class CredentialsChain:
    """The credentials of this process, from the first source that has some."""

    def __init__(
        self, environment: Mapping[str, str], connect: ConnectUrl, now_s: Callable[[], float] = time.time
    ) -> None:
        self._environment = environment
        self._connect = connect
        self._now_s = now_s
        self._current: Credentials | None = None
        self._lock = LoopLock()

    async def get(self) -> Credentials:
        """Credentials that are valid now. Of several callers at a time, one asks. Raises `NoCredentials`."""
        if self._current is None or self._is_due(self._current):
            async with self._lock:
                if self._current is None or self._is_due(self._current):
                    self._current = await self._renewed(self._current)
        return self._current

    def _is_due(self, known: Credentials, before_s: float = _RENEWED_BEFORE_S) -> bool:
        return known.expires_at is not None and self._now_s() > known.expires_at - before_s

    async def _renewed(self, known: Credentials | None) -> Credentials:
        try:
            return _from_variables(self._environment) or await self._source()()
        except (TransportError, TimeoutError, ValueError, OSError) as error:
            if known is not None and not self._is_due(known, 0.0):
                _log.warning("the credentials cannot be renewed yet: %s", error)
                return known
            raise NoCredentials(_NOTHING) from None

    def _source(self) -> Callable[[], Awaitable[Credentials]]:
        names = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if any(self._environment.get(name) for name in names):
            return self._of_container
        if self._environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise NoCredentials(_NOTHING)
        return self._of_instance

    async def _of_container(self) -> Credentials:
        environment = self._environment
        if relative := environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
            url = f"{_CONTAINER}/{relative.lstrip('/')}"
        else:
            url = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        base, path = _split(url)
        if base.startswith("http://") and _host_of(base) not in _LOOPBACK_HOSTS:
            raise NoCredentials("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither HTTPS nor an address of this machine.")
        token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if file := environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            token = _read(file)
        return _credentials(await self._ask(base, "GET", path, [("authorization", token)] if token else []))

    async def _of_instance(self) -> Credentials:
        lifetime = [("x-aws-ec2-metadata-token-ttl-seconds", _TOKEN_S)]
        token = await self._ask(_INSTANCE, "PUT", "/latest/api/token", lifetime)
        headers = [("x-aws-ec2-metadata-token", token.decode())]
        roles = "/latest/meta-data/iam/security-credentials/"
        role = (await self._ask(_INSTANCE, "GET", roles, headers)).decode().split("\n")[0].strip()
        return _credentials(await self._ask(_INSTANCE, "GET", roles + role, headers))

    async def _ask(self, base: str, method: Literal["GET", "PUT"], path: str, headers: Headers) -> bytes:
        """The body of a reply with the status 200. Raises `ValueError` for another, and `TransportError`."""
        transport = self._connect(base)
        try:
            async with asyncio.timeout(_ANSWER_S):
                reply = await transport.send(HttpRequest(method=method, path=path, headers=headers))
                body = await whole_body(reply, _ANSWER_BYTES_MAX)
            if reply.status != 200:
                raise ValueError(f"the source of credentials answers {reply.status}")
            return body
        finally:
            await transport.aclose()


_NOTHING = (
    "There are no credentials for AWS: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the function, task or "
    "instance a role."
)


def _from_variables(environment: Mapping[str, str]) -> Credentials | None:
    key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret:
        return None
    token = environment.get("AWS_SESSION_TOKEN")
    return Credentials(key_id, Secret(secret), Secret(token) if token else None)


def _credentials(body: bytes) -> Credentials:
    answer = _decode(body)
    end = answer.expiration if answer.expiration.tzinfo else answer.expiration.replace(tzinfo=UTC)
    return Credentials(answer.access_key_id, Secret(answer.secret_access_key), Secret(answer.token), end.timestamp())


def _read(file: str) -> str:
    """The token in a file, which the container renews. It has one line."""
    return Path(file).read_text("utf-8").strip()


def _split(url: str) -> tuple[str, str]:
    """The base and the path of a URL."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", f"{slash or '/'}{path}"


def _host_of(base: str) -> str:
    host = base.partition("://")[2]
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
