"""Fetching what a URL names, for a client or a model: redirects are judged one by one, in bounded time and size.

It knows HTTP as far as redirects, types and codings; a transport for each host moves the bytes, and connects to
admitted addresses only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urljoin

import msgspec

from penstock.egress import Egress, Target, UrlRefused
from penstock.limits import Limits
from penstock.ports import (
    Connect,
    Destination,
    HttpReply,
    HttpRequest,
    PageContent,
    PageFailed,
    TransportError,
)
from penstock.version import VERSION

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""The content codings that are asked for. Transports decode them in bounded memory."""


class FetchOptions(msgspec.Struct, frozen=True):
    """What is fetched, and from where."""

    kinds: str
    """The kinds of contents, for messages, such as "HTML, text or PDF"."""
    accept: str
    """The header `accept`."""
    accepts: Callable[[str], bool]
    """Whether a media type is wanted."""
    default_type: str
    """The media type of a content without one."""
    bytes_max: int
    """How much is read, without a content coding. The rest is missing."""
    admits: Callable[[str], bool] = lambda host: True
    """Whether a host may be asked. It is asked about each redirect, too."""


class Fetcher:
    """Fetches contents, each over a transport of its own: a page is read once, and its next one is elsewhere."""

    def __init__(self, connect: Connect, egress: Egress, limits: Limits) -> None:
        self._connect = connect
        self._egress = egress
        self._limits = limits

    async def fetch(self, url: str, options: FetchOptions) -> PageContent:
        """The content at the end of all redirects. Raises `PageFailed`."""
        try:
            async with asyncio.timeout(self._limits.page_s):
                return await self._follow(url, options)
        except TimeoutError:
            raise PageFailed(f"it did not arrive within {self._limits.page_s:g} s") from None
        except TransportError as error:
            raise PageFailed(str(error)) from None
        except UrlRefused as refused:
            raise PageFailed(f"its URL {refused}") from None

    async def _follow(self, url: str, options: FetchOptions) -> PageContent:
        for _ in range(self._limits.page_redirects_max + 1):
            # spec: egress
            target = self._egress.target(url)
            if not options.admits(target.host):
                raise PageFailed("the tool's filters do not allow its domain")
            found = await self._get(target, options)
            if isinstance(found, PageContent):
                return found
            url = urljoin(target.url, found)
        raise PageFailed(f"it has more than {self._limits.page_redirects_max} redirects")

    async def _get(self, target: Target, options: FetchOptions) -> PageContent | str:
        """The content at a URL, or the URL that it redirects to."""
        destination = Destination(name="page", url=target.origin, egress=self._egress)
        transport = self._connect(destination, self._limits)
        headers = [("accept", options.accept), ("user-agent", f"penstock/{VERSION}")]
        try:
            reply = await transport.send(HttpRequest(method="GET", path=target.path, headers=headers))
            try:
                location = reply.headers.get("location")
                if reply.status in _REDIRECTS and location:
                    return location
                return await _content(target, reply, options)
            finally:
                await reply.aclose()
        finally:
            await transport.aclose()


async def _content(target: Target, reply: HttpReply, options: FetchOptions) -> PageContent:
    if reply.status != 200:
        raise PageFailed(f"its server answered with status {reply.status}")
    media_type, charset = _content_type(reply.headers.get("content-type", ""))
    media_type = media_type or options.default_type
    if not options.accepts(media_type):
        raise PageFailed(f"it is not {options.kinds}, but {media_type}")
    if reply.headers.get("content-encoding", "").strip().lower() not in _CODINGS:
        raise PageFailed("it has a content coding that was not asked for")
    body, is_cut = await _body(reply, options.bytes_max)
    return PageContent(url=target.url, type=media_type, charset=charset, body=body, is_cut=is_cut)


async def _body(reply: HttpReply, bytes_max: int) -> tuple[bytes, bool]:
    """The body, and whether its end is missing. A bomb is unpacked no further than to the limit."""
    body = bytearray()
    async for chunk in reply:
        body += chunk
        if len(body) > bytes_max:
            return bytes(body[:bytes_max]), True
    return bytes(body), False


def _content_type(field: str) -> tuple[str, str]:
    """The media type and the charset of a `content-type` field."""
    media_type, *parameters = field.split(";")
    named = {name.strip().lower(): value for name, _, value in (each.partition("=") for each in parameters)}
    return media_type.strip().lower(), named.get("charset", "").strip("\"' ")
