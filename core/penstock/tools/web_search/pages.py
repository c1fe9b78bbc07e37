"""Pages of the web over transports: redirects are followed and judged one by one, in bounded time and size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urljoin

from penstock.egress import Egress, Target, UrlRefused
from penstock.limits import Limits
from penstock.ports import (
    Destination,
    Extractor,
    HttpReply,
    HttpRequest,
    Page,
    PageContent,
    PageFailed,
    Transport,
    TransportError,
)
from penstock.version import version

Connect = Callable[[Destination, Limits], Transport]
"""As `penstock.assembly.Connect`."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TYPES = _HTML | {"application/pdf", "application/json", "application/xml"}
"""The media types that are read, beside all of `text/*`."""
_CODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""The content codings that are asked for. Transports decode them in bounded memory."""
_HEADERS = [
    ("accept", "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,application/json;q=0.5"),
    ("user-agent", f"penstock/{version()}"),
]


class Pages:
    """Reads pages, each over a transport of its own: a page is read once, and its next one is elsewhere."""

    def __init__(self, connect: Connect, egress: Egress, extractor: Extractor, limits: Limits) -> None:
        self._connect = connect
        self._egress = egress
        self._extractor = extractor
        self._limits = limits

    async def read(self, url: str, admits: Callable[[str], bool]) -> Page:
        """The page at a URL. Raises `PageFailed`."""
        try:
            async with asyncio.timeout(self._limits.page_s):
                content = await self._fetch(url, admits)
        except TimeoutError:
            raise PageFailed(f"it did not arrive within {self._limits.page_s:g} s") from None
        except TransportError as error:
            raise PageFailed(str(error)) from None
        except UrlRefused as refused:
            raise PageFailed(f"its URL {refused}") from None
        text = await self._extractor.extract(content)
        return Page(url=content.url, title=text.title, text=text.text, is_cut=content.is_cut)

    async def aclose(self) -> None:
        """Close the extractor."""
        await self._extractor.aclose()

    async def _fetch(self, url: str, admits: Callable[[str], bool]) -> PageContent:
        """The content at the end of all redirects."""
        for _ in range(self._limits.page_redirects_max + 1):
            # spec: egress
            target = self._egress.target(url)
            if not admits(target.host):
                raise PageFailed("the tool's filters do not allow its domain")
            found = await self._get(target)
            if isinstance(found, PageContent):
                return found
            url = urljoin(target.url, found)
        raise PageFailed(f"it has more than {self._limits.page_redirects_max} redirects")

    async def _get(self, target: Target) -> PageContent | str:
        """The content at a URL, or the URL that it redirects to."""
        destination = Destination(name="page", url=target.origin, egress=self._egress)
        transport = self._connect(destination, self._limits)
        try:
            reply = await transport.send(HttpRequest(method="GET", path=target.path, headers=_HEADERS))
            try:
                location = reply.headers.get("location")
                if reply.status in _REDIRECTS and location:
                    return location
                return await self._content(target, reply)
            finally:
                await reply.aclose()
        finally:
            await transport.aclose()

    async def _content(self, target: Target, reply: HttpReply) -> PageContent:
        if reply.status != 200:
            raise PageFailed(f"its server answered with status {reply.status}")
        media_type, charset = _content_type(reply.headers.get("content-type", "text/html"))
        if media_type not in _TYPES and not media_type.startswith("text/"):
            raise PageFailed(f"it is neither HTML nor text nor PDF, but {media_type}")
        if reply.headers.get("content-encoding", "").strip().lower() not in _CODINGS:
            raise PageFailed("it has a content coding that was not asked for")
        body, is_cut = await self._body(reply)
        return PageContent(url=target.url, type=media_type, charset=charset, body=body, is_cut=is_cut)

    async def _body(self, reply: HttpReply) -> tuple[bytes, bool]:
        """The body, and whether its end is missing. A bomb is unpacked no further than to the limit."""
        body = bytearray()
        bytes_max = self._limits.page_bytes_max
        async for chunk in reply:
            body += chunk
            if len(body) > bytes_max:
                return bytes(body[:bytes_max]), True
        return bytes(body), False


def _content_type(field: str) -> tuple[str, str]:
    """The media type and the charset of a `content-type` field."""
    media_type, *parameters = field.split(";")
    named = dict(parameter.strip().partition("=")[::2] for parameter in parameters)
    charset = named.get("charset", named.get("Charset", "")).strip("\"' ")
    return media_type.strip().lower() or "text/html", charset
