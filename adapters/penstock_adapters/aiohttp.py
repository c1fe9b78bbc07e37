"""The transport to upstreams over aiohttp: one session a process, made at the first request.

It moves bytes and knows their deadlines; it never looks into them. Every failure of the network is a `TransportError`.
"""

from __future__ import annotations

import errno
import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import aiohttp
from yarl import URL

from penstock.errors import untraced
from penstock.limits import Limits
from penstock.ports import Destination, HttpReply, HttpRequest, Tls, TransportError
from penstock.settings import SettingsError

_log = logging.getLogger("penstock.tls")

_URLS_KEPT_MAX = 128
"""So many URLs are parsed once; clients may make up as many as they like."""
_URL_CHARS_KEPT_MAX = 500
"""A longer URL is asked for once, most likely, and is not kept."""


_INFORMATIONAL_MAX = 100
"""So many replies of status 1xx may come before the one that counts."""


class AiohttpClient:
    """The session that all upstreams share."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    def transport(self, destination: Destination, limits: Limits) -> AiohttpTransport:
        """A transport to this upstream. Raises `SettingsError` for certificates that cannot be read."""
        return AiohttpTransport(self, destination)

    def session(self) -> aiohttp.ClientSession:
        """The session, made within the running loop."""
        if self._session is None or self._session.closed:
            limits = self._limits
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=limits.upstream_connections_max),
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


class AiohttpTransport:
    """One upstream over the shared session."""

    def __init__(self, client: AiohttpClient, destination: Destination) -> None:
        self._client = client
        self._base = destination.url.rstrip("/")
        self._proxy = destination.proxy.reveal() if destination.proxy else None
        self._tls = _context(destination) if destination.tls != Tls() else True
        self._url = lru_cache(_URLS_KEPT_MAX)(URL)

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send a request and wait for the reply's head. Raises `TransportError`."""
        base = self._base.removesuffix("/v1") if request.beside_v1 else self._base
        url = base + request.path
        try:
            response = await self._client.session().request(
                request.method,
                self._url(url) if len(url) <= _URL_CHARS_KEPT_MAX else URL(url),
                data=request.body or None,
                headers=request.headers,
                allow_redirects=False,
                proxy=self._proxy,
                ssl=self._tls,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _fault(error) from None
        if response.status == 407:  # a proxy's word, and never an upstream's
            response.close()
            raise TransportError("its proxy answered with status 407")
        return AiohttpReply(response)

    async def aclose(self) -> None:
        """Close the shared session: upstreams are closed together."""
        await self._client.aclose()


class _Endless(aiohttp.ClientError):
    """There is no end of informational replies."""


class _Response(aiohttp.ClientResponse):
    """aiohttp reads on for as long as replies of status 1xx come, and looks at this attribute after each."""

    _informational = 0

    @property
    def _continue(self) -> None:
        self._informational += 1
        if self._informational > _INFORMATIONAL_MAX:
            raise _Endless

    @_continue.setter
    def _continue(self, value: object) -> None:
        """Nothing here asks to be told to go on."""


class AiohttpReply:
    """A reply whose body is read as it arrives."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Whatever has arrived. Raises `TransportError` where the body is cut."""
        try:
            chunk = await self._response.content.readany()
        except TimeoutError as error:
            raise _fault(error) from None
        except (aiohttp.ClientError, OSError) as error:
            untraced(error)  # the body holds the error, whose traceback holds this frame, which holds the body
            chunk = self._response.content._read_nowait(-1)  # what came before the cut, which aiohttp holds back
            if not chunk:
                raise _fault(error) from None
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Keep the connection where the body has ended; cut it where not, which tells the upstream to stop."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _context(destination: Destination) -> ssl.SSLContext:
    """What is asked of the upstream's certificate, and shown to it."""
    tls = destination.tls
    where = f"upstream {destination.name}: tls"
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise SettingsError(f"{where}.ca_file", f"cannot use {tls.ca_file}: {_reason(error)}") from None
    if tls.insecure:
        _log.warning("upstream %s: its certificate is not checked; anybody on the way could be it", destination.name)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        except OSError as error:
            raise SettingsError(f"{where}.cert_file", f"cannot use {tls.cert_file}: {_reason(error)}") from None
    return context


def _reason(error: OSError) -> str:
    """Why a file is of no use: the system's words, or OpenSSL's."""
    return "it is not PEM, or the key is another's" if isinstance(error, ssl.SSLError) else str(error.strerror).lower()


def _fault(error: BaseException) -> TransportError:
    """What went wrong, in plain words without the address, which is no business of a client's."""
    was_connected, say = next((how for kind, how in _FAULTS.items() if isinstance(error, kind)), _OTHER)
    fault = TransportError(
        say(error),
        timed_out=isinstance(error, TimeoutError),
        was_connected=was_connected,
        cause=f"{type(error).__name__}: {error}",
    )
    untraced(error)  # aiohttp raises what its frames still have, which are a cycle
    return fault


def _untrusted(error: aiohttp.ClientConnectorCertificateError) -> str:
    reason = getattr(error.certificate_error, "verify_message", "") or "it is for another host"
    return f"its certificate is not trusted ({reason})"


def _no_tls(error: aiohttp.ClientConnectorSSLError) -> str:
    reason = getattr(error.os_error, "reason", None) or ""
    if reason in _NOT_TLS:
        return "it does not speak TLS; is its URL http:// and not https://?"
    return f"the TLS handshake failed ({reason.replace('_', ' ').lower() or 'no reason was given'})"


def _unconnected(error: aiohttp.ClientConnectorError) -> str:
    return _system(error.os_error, "no connection")


def _lost(error: OSError) -> str:
    if isinstance(error, ConnectionError | ssl.SSLError) or error.errno in _CLOSED:
        return "it closed the connection"
    return _system(error, "the connection failed")


def _system(error: OSError, otherwise: str) -> str:
    """The system's words."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else otherwise


def _unread(error: aiohttp.ClientPayloadError) -> str:
    if "content-encoding" in str(error):
        return "its body is not of the content-encoding that its head says"
    return "it closed the connection"


def _no_http(error: aiohttp.ClientResponseError) -> str:
    if _TLS_ALERT in str(error.__cause__):
        return "it speaks TLS; is its URL https:// and not http://?"
    return "what it sent is not HTTP"


_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
"""How OpenSSL calls what is no TLS."""
_TLS_ALERT = "\\x15\\x03"
"""How an alert of TLS begins, as the parser shows it."""
_CLOSED = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN, errno.ESHUTDOWN})

_Say: TypeAlias = Callable[[Any], str]
_FAULTS: dict[type[BaseException], tuple[bool, _Say]] = {
    aiohttp.ClientConnectorCertificateError: (False, _untrusted),
    aiohttp.ClientConnectorSSLError: (False, _no_tls),
    aiohttp.ClientConnectorDNSError: (False, lambda error: "its host name cannot be resolved"),
    aiohttp.ClientProxyConnectionError: (False, lambda error: "its proxy cannot be reached"),
    aiohttp.ClientHttpProxyError: (False, lambda error: f"its proxy answered with status {error.status}"),
    aiohttp.ClientConnectorError: (False, _unconnected),
    aiohttp.ConnectionTimeoutError: (False, lambda error: "no connection in time"),
    aiohttp.ServerDisconnectedError: (True, lambda error: "it closed the connection"),
    aiohttp.ClientPayloadError: (True, _unread),
    aiohttp.ClientResponseError: (True, _no_http),
    _Endless: (True, lambda error: f"it sent over {_INFORMATIONAL_MAX} informational replies and no other"),
    TimeoutError: (True, lambda error: "no answer in time"),
    OSError: (True, _lost),
}
"""Whether there was a connection, and what is said. The first that fits: the later ones are what the others are too."""
_OTHER: tuple[bool, _Say] = (False, lambda error: "the connection failed")
