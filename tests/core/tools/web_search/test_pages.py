"""Reading pages: each redirect is judged, each page has its own transport, and no part of it is read without bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from penstock.egress import Egress
from penstock.fetching import Fetcher
from penstock.limits import Limits
from penstock.ports import Destination, HttpReply, HttpRequest, Page, PageContent, PageFailed, PageText, TransportError
from penstock.tools.web_search.pages import Pages
from requirements import shows

LIMITS = Limits(page_s=0.3, page_bytes_max=1_000, page_redirects_max=3)


class Reply:
    def __init__(self, status: int, headers: Mapping[str, str], body: list[bytes], pause_s: float = 0) -> None:
        self.status, self.headers, self.body, self.pause_s = status, headers, body, pause_s
        self.read = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.body:
            await asyncio.sleep(self.pause_s)
            self.read += 1
            yield piece

    async def aclose(self) -> None:
        self.is_closed = True


class Web:
    """Replies by URL. All transports and replies must be closed in the end."""

    def __init__(self, **pages: Reply | TransportError) -> None:
        self.pages = {f"https://{name.replace('_', '.')}/": page for name, page in pages.items()}
        self.asked: list[str] = []
        self.open = 0

    def connect(self, destination: Destination, limits: Limits) -> Transport:
        assert destination.egress is not None
        self.open += 1
        return Transport(self, destination.url)

    def read(self, url: str, *, allowed: str = "") -> Page:
        pages = Pages(Fetcher(self.connect, Egress(), LIMITS), Text(), LIMITS)
        try:
            return asyncio.run(pages.read(url, lambda host: host.endswith(allowed)))
        finally:
            assert self.open == 0
            assert all(page.is_closed for page in self.pages.values() if isinstance(page, Reply) and page.read)


class Transport:
    def __init__(self, web: Web, origin: str) -> None:
        self.web, self.origin = web, origin

    async def send(self, request: HttpRequest) -> HttpReply:
        url = self.origin + request.path
        self.web.asked.append(url)
        page = self.web.pages[url]
        if isinstance(page, TransportError):
            raise page
        return page  # type: ignore[return-value]

    async def aclose(self) -> None:
        self.web.open -= 1


class Text:
    async def extract(self, content: PageContent) -> PageText:
        return PageText(title=f"{content.type} {content.charset}", text=content.body.decode())

    async def aclose(self) -> None:
        return


def html(*pieces: bytes, status: int = 200, pause_s: float = 0, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"content-type": 'text/HTML; charset="UTF-8"'} | named, list(pieces), pause_s)


def to(location: str, status: int = 302) -> Reply:
    return html(b"moved", status=status, location=location)


def test_a_page_is_read_at_the_end_of_its_redirects() -> None:
    web = Web(a_example=to("//b.example/", 308), b_example=to("https://c.example", 301), c_example=html(b"Hi"))
    page = web.read("https://a.example")
    assert page == Page(url="https://c.example/", title="text/html UTF-8", text="Hi")
    assert web.asked == ["https://a.example/", "https://b.example/", "https://c.example/"]


FAILURES = {
    "too many redirects": (Web(a_example=to("https://a.example/")), "more than 3 redirects"),
    "a private address": (Web(a_example=to("http://10.0.0.1/")), "its URL has no public address"),
    "another scheme": (Web(a_example=to("file:///etc/passwd")), "its URL does not begin with http"),
    "a user": (Web(a_example=to("https://u:p@b.example/")), "its URL has a user or a password"),
    "no host": (Web(a_example=to("https://a..b/")), "no valid host"),
    "a status": (Web(a_example=html(b"", status=404)), "status 404"),
    "a redirect to nowhere": (Web(a_example=html(b"", status=302)), "status 302"),
    "a type": (Web(a_example=html(b"", content_type="image/png")), "is not HTML, text or PDF, but image/png"),
    "a coding": (Web(a_example=html(b"", content_encoding="br")), "a content coding"),
    "no connection": (Web(a_example=TransportError("connection refused")), "^connection refused$"),
    "a slow body": (Web(a_example=html(*[b"x"] * 99, pause_s=0.05)), "did not arrive within 0.3 s"),
}


@shows("egress")
@pytest.mark.parametrize("name", FAILURES)
def test_a_page_that_cannot_be_read_has_a_reason(name: str) -> None:
    web, reason = FAILURES[name]
    with pytest.raises(PageFailed, match=reason):
        web.read("https://a.example/")


def test_a_redirect_out_of_the_tools_domains_is_not_followed() -> None:
    web = Web(a_example=to("https://b.test/"), b_test=html(b"secret"))
    with pytest.raises(PageFailed, match="filters"):
        web.read("https://a.example/", allowed=".example")
    assert web.asked == ["https://a.example/"]


def test_a_large_page_is_cut_and_the_rest_is_not_read() -> None:
    reply = html(*[b"x" * 400] * 1_000)
    page = Web(a_example=reply).read("https://a.example/")
    assert (len(page.text), page.is_cut, reply.read) == (1_000, True, 3)
