"""The transport to upstreams over aiohttp: one session for the process, made at the first request.

It moves bytes and knows their deadlines; it never reads them. Every failure of the network is a `TransportError`.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeAlias

import aiohttp
from yarl import URL

from penstock.egress import refusal
from penstock.engine.upstreams.connection_limit import ConnectionLimit
from penstock.errors import untraced
from penstock.limits import Limits
from penstock.ports import Destination, HttpReply, HttpRequest, NoFreeConnection, Tls, TransportError
from penstock_adapters.fault_texts import (
    CLOSED,
    ENDLESS,
    EXPECTS_TLS,
    INFORMATIONAL_MAX,
    NO_ANSWER,
    NO_CONNECTION,
    NO_FILES,
    NO_HOST,
    NO_HTTP,
    WRONG_CODING,
    handshake_failed,
    lacks_files,
    lost,
    unconnected,
    untrusted,
)
from penstock_adapters.tls import client_context

_URLS_CACHED_MAX = 128
"""How many parsed URLs are cached; clients may send any number of paths."""
_URL_CHARS_CACHED_MAX = 500
"""Longer URLs are not cached: most likely they are requested only once."""


class AiohttpClient:
    """The session that all upstreams share. With `admits`, only addresses that it admits are connected to."""

    def __init__(self, limits: Limits, admits: Callable[[str], bool] | None = None) -> None:
        self._limits = limits
        self._make_socket = _guarded(admits) if admits else None
        self._session: aiohttp.ClientSession | None = None

    def transport(self, destination: Destination, limits: Limits) -> AiohttpTransport:
        """A transport to this upstream. Raises `SettingsError` for certificates that cannot be read.

        A guarded one has its own session, which ends with it. Behind a proxy, the proxy looks names up, so that its own
        rules count.
        """
        client = self if destination.egress is None else AiohttpClient(limits, _admits(destination))
        return AiohttpTransport(client, destination, ConnectionLimit(destination.name, limits))

    def session(self) -> aiohttp.ClientSession:
        """The session, made within the running loop."""
        if self._session is None or self._session.closed:
            limits = self._limits
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, socket_factory=self._make_socket),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent",),
                response_class=_Response,
            )
        return self._session

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


def _admits(destination: Destination) -> Callable[[str], bool] | None:
    """Which addresses may be connected to. None where the only one is that of the operator's proxy."""
    if destination.egress is None or destination.proxy is not None:
        return None
    url = URL(destination.url)
    return partial(destination.egress.admits, url.raw_host or "", url.port or 0)


def _guarded(admits: Callable[[str], bool]) -> Callable[[Any], socket.socket]:
    """The factory of sockets that judges each address. A resolver is not asked about hosts that are IP addresses."""

    def make_socket(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        # spec: egress
        if not admits(address[0]):
            raise refusal()
        return socket.socket(family, kind, protocol)

    return make_socket


class AiohttpTransport:
    """One upstream over the shared session."""

    def __init__(self, client: AiohttpClient, destination: Destination, limit: ConnectionLimit) -> None:
        self._client = client
        self._limit = limit
        self._base = destination.url.rstrip("/")
        self._proxy = destination.proxy.reveal() if destination.proxy else None
        self._tls = client_context(destination) if destination.tls != Tls() else True
        self._url = lru_cache(_URLS_CACHED_MAX)(URL)

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send a request and wait for the reply's head. Raises `TransportError`."""
        await self._limit.acquire()
        try:
            response = await self._respond(request)
        except BaseException:
            self._limit.release()
            raise
        return AiohttpReply(response, self._limit.release)

    async def aclose(self) -> None:
        """Close the shared session: upstreams are closed together."""
        await self._client.aclose()

    async def _respond(self, request: HttpRequest) -> aiohttp.ClientResponse:
        base = self._base.removesuffix("/v1") if request.beside_v1 else self._base
        url = base + request.path
        try:
            response = await self._client.session().request(
                request.method,
                self._url(url) if len(url) <= _URL_CHARS_CACHED_MAX else URL(url),
                data=request.body or None,
                headers=request.headers,
                allow_redirects=False,
                proxy=self._proxy,
                ssl=self._tls,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _fault(error) from None
        if response.status == 407:  # sent by a proxy, never by an upstream
            response.close()
            raise TransportError("its proxy answered with status 407")
        return response


class _Endless(aiohttp.ClientError):
    """There are too many informational replies."""


class _Response(aiohttp.ClientResponse):
    """aiohttp reads replies of status 1xx without a bound, and reads this attribute after each of them."""

    _informational = 0

    @property
    def _continue(self) -> None:
        self._informational += 1
        if self._informational > INFORMATIONAL_MAX:
            raise _Endless

    @_continue.setter
    def _continue(self, value: object) -> None:
        """The attribute is not used here."""


class AiohttpReply:
    """A reply whose body is read as it arrives."""

    def __init__(self, response: aiohttp.ClientResponse, release: Callable[[], None]) -> None:
        self._response = response
        self._release: Callable[[], None] | None = release
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The bytes that have arrived. Raises `TransportError` where the body is cut."""
        try:
            chunk = await self._response.content.readany()
        except TimeoutError as error:
            raise _fault(error) from None
        except (aiohttp.ClientError, OSError) as error:
            untraced(error)  # the body refers to the error, its traceback to this frame, and this frame to the body
            chunk = self._response.content._read_nowait(-1)  # the bytes before the cut, which aiohttp does not return
            if not chunk:
                raise _fault(error) from None
        if not chunk:
            self._release_connection()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Reuse the connection if the body has ended; else close it, so that the upstream stops."""
        self._release_connection()
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    def _release_connection(self) -> None:
        """The connection, or a new one in its place, is free for another request."""
        release, self._release = self._release, None
        if release is not None:
            release()


def _fault(error: BaseException) -> TransportError:
    """The failure in plain words, without the address, which clients do not need."""
    if lacks_files(error):
        return NoFreeConnection(NO_FILES)
    was_connected, describe = next((how for kind, how in _FAULTS.items() if isinstance(error, kind)), _OTHER)
    fault = TransportError(
        describe(error),
        timed_out=isinstance(error, TimeoutError),
        was_connected=was_connected,
        cause=f"{type(error).__name__}: {error}",
    )
    untraced(error)  # aiohttp's frames refer to the error that they raise, which is a cycle
    return fault


def _unread(error: aiohttp.ClientPayloadError) -> str:
    return WRONG_CODING if "content-encoding" in str(error) else CLOSED


def _no_http(error: aiohttp.ClientResponseError) -> str:
    return EXPECTS_TLS if _TLS_ALERT in str(error.__cause__) else NO_HTTP


_TLS_ALERT = "\\x15\\x03"
"""The beginning of a TLS alert, as the parser shows it."""

_Describe: TypeAlias = Callable[[Any], str]
_FAULTS: dict[type[BaseException], tuple[bool, _Describe]] = {
    aiohttp.ClientConnectorCertificateError: (False, lambda error: untrusted(error.certificate_error)),
    aiohttp.ClientConnectorSSLError: (False, lambda error: handshake_failed(error.os_error)),
    aiohttp.ClientConnectorDNSError: (False, lambda error: NO_HOST),
    aiohttp.ClientProxyConnectionError: (False, lambda error: "its proxy cannot be reached"),
    aiohttp.ClientHttpProxyError: (False, lambda error: f"its proxy answered with status {error.status}"),
    aiohttp.ClientConnectorError: (False, lambda error: unconnected(error.os_error)),
    aiohttp.ConnectionTimeoutError: (False, lambda error: NO_CONNECTION),
    aiohttp.ServerDisconnectedError: (True, lambda error: CLOSED),
    aiohttp.ClientPayloadError: (True, _unread),
    aiohttp.ClientResponseError: (True, _no_http),
    _Endless: (True, lambda error: ENDLESS),
    TimeoutError: (True, lambda error: NO_ANSWER),
    OSError: (True, lost),
}
"""Whether there was a connection, and the text. The first match counts: later entries are base classes of others."""
_OTHER: tuple[bool, _Describe] = (False, lambda error: "the connection failed")
