"""The transport to upstreams over aiohttp: one session a process, made at the first request.

It moves bytes and knows their deadlines; it never looks into them. Every failure of the network is a `TransportError`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping

import aiohttp
from yarl import URL

from penstock.limits import Limits
from penstock.ports import HttpReply, HttpRequest, TransportError


class AiohttpClient:
    """The session that all upstreams share."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    def transport(self, url: str, limits: Limits) -> AiohttpTransport:
        """A transport to the upstream at this base URL."""
        return AiohttpTransport(self, url)

    def session(self) -> aiohttp.ClientSession:
        """The session, made within the running loop."""
        if self._session is None or self._session.closed:
            limits = self._limits
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=limits.upstream_connections_max),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent",),
            )
        return self._session

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


class AiohttpTransport:
    """One upstream over the shared session."""

    def __init__(self, client: AiohttpClient, url: str) -> None:
        self._client = client
        self._base = url.rstrip("/")
        self._urls: dict[str, URL] = {}

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send a request and wait for the reply's head. Raises `TransportError`."""
        base = self._base.removesuffix("/v1") if request.beside_v1 else self._base
        url = self._urls.get(base + request.path)
        if url is None:
            url = self._urls[base + request.path] = URL(base + request.path)
        try:
            response = await self._client.session().request(
                request.method,
                url,
                data=request.body or None,
                headers=request.headers,
                allow_redirects=False,
            )
        except TimeoutError as error:
            raise TransportError(_said(error) or "no connection in time", timed_out=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(_said(error)) from None
        return AiohttpReply(response)

    async def aclose(self) -> None:
        """Close the shared session: upstreams are closed together."""
        await self._client.aclose()


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
            raise TransportError(_said(error), timed_out=True) from None
        except (aiohttp.ClientError, OSError) as error:
            chunk = self._response.content._read_nowait(-1)  # what came before the cut, which aiohttp holds back
            if not chunk:
                raise TransportError(_said(error)) from None
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Keep the connection where the body has ended; cut it where not, which tells the upstream to stop."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _said(error: BaseException) -> str:
    """What went wrong in a word, without the address, which is no business of a client's."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number).lower() if number and number > 0 else "no connection"
    return type(error).__name__
