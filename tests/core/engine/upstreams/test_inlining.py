"""Images and files by URL as data: which parts, which errors, and what is not fetched twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from penstock.engine.upstreams.inlining import InliningUpstream
from penstock.errors import ApiError
from penstock.fetching import FetchOptions
from penstock.json_codec import Decoder
from penstock.limits import Limits
from penstock.ports import PageContent, PageFailed, Turn
from penstock.wire import CreateResponse, InputItem
from requirements import shows

PNG, PDF = "https://a.example/cat.png", "https://a.example/docs/my%20file.pdf?x=1"
ITEMS = Decoder(list[InputItem])
LIMITS = Limits(inlined_urls_max=3, inlined_bytes_max=100, inlined_cache_bytes_max=150)


class Fetcher:
    """Contents by URL."""

    def __init__(self, **more: PageContent | PageFailed) -> None:
        self.asked: list[str] = []
        self.contents: dict[str, PageContent | PageFailed] = {
            PNG: PageContent(url=PNG, type="image/png", body=b"png"),
            PDF: PageContent(url=PDF, type="application/pdf", body=b"pdf"),
        } | {f"https://{name}.example/": content for name, content in more.items()}

    async def fetch(self, url: str, options: FetchOptions) -> PageContent:
        self.asked.append(url)
        await asyncio.sleep(0)
        content = self.contents[url]
        if isinstance(content, PageFailed):
            raise content
        if not options.accepts(content.type):
            raise PageFailed(f"it is not {options.kinds}, but {content.type}")
        return content


class Upstream:
    """Keeps the items of each turn."""

    def __init__(self) -> None:
        self.turns: list[Any] = []

    async def open(self, turn: Turn) -> Any:
        self.turns.append(turn.items)

    async def count_tokens(self, turn: Turn) -> int | None:
        self.turns.append(turn.items)
        return 1

    async def aclose(self) -> None:
        return


def turn(*parts: dict[str, object], client: str = "") -> Turn:
    items = [
        {"type": "message", "role": "user", "content": "Look"},
        {"type": "message", "role": "user", "content": list(parts)},
    ]
    return Turn(model="m", request=CreateResponse(), items=ITEMS.decode(json.dumps(items).encode()), client=client)


def opened(turns: list[Turn], fetcher: Fetcher) -> list[Any]:
    """The parts of each turn as the upstream gets them."""
    upstream = Upstream()
    inlining = InliningUpstream(upstream, fetcher, LIMITS)  # type: ignore[arg-type]

    async def run() -> None:
        for each in turns:
            await inlining.open(each)
            await inlining.count_tokens(each)

    asyncio.run(run())
    return [items[1].content for items in upstream.turns[::2]]


def image(url: str) -> dict[str, object]:
    return {"type": "input_image", "image_url": url}


def file(**fields: str) -> dict[str, object]:
    return {"type": "input_file", **fields}


@shows("inlined-urls")
def test_urls_become_data() -> None:
    fetcher = Fetcher()
    [[text, picture, document]] = opened(
        [turn({"type": "input_text", "text": PNG}, image(PNG), file(file_url=PDF))], fetcher
    )
    assert text.text == PNG
    assert picture.image_url == "data:image/png;base64,cG5n"
    assert document.file_data == "data:application/pdf;base64,cGRm"
    assert document.filename == "my file.pdf"
    assert not document.file_url


def test_data_and_ids_stay_as_they_are() -> None:
    fetcher = Fetcher()
    sent = turn(image("data:image/png;base64,AA=="), file(file_id="file_1"), file(file_data="data:,x", file_url=PDF))
    [parts] = opened([sent], fetcher)
    assert parts is sent.items[1].content  # type: ignore[union-attr]
    assert fetcher.asked == []


def test_outputs_of_functions_have_parts_too() -> None:
    output = {"type": "function_call_output", "call_id": "c", "output": [image(PNG)]}
    upstream = Upstream()
    inlining = InliningUpstream(upstream, Fetcher(), LIMITS)  # type: ignore[arg-type]
    items = ITEMS.decode(json.dumps([output]).encode())
    asyncio.run(inlining.open(Turn(model="m", request=CreateResponse(), items=items)))
    assert upstream.turns[0][0].output[0].image_url.startswith("data:")


def test_the_same_client_fetches_a_content_once_in_a_while() -> None:
    fetcher = Fetcher()
    opened([turn(image(PNG), client="a"), turn(image(PNG), client="a"), turn(image(PNG), client="b")], fetcher)
    assert fetcher.asked == [PNG, PNG]


def test_what_was_fetched_first_is_dropped_first() -> None:
    large = PageContent(url=PNG, type="image/png", body=b"x" * 90)
    fetcher = Fetcher(b=large, c=large)
    urls = ["https://b.example/", "https://c.example/", "https://b.example/"]
    opened([turn(image(url)) for url in urls], fetcher)
    assert fetcher.asked == urls


FAILURES = {
    "no connection": (Fetcher(b=PageFailed("connection refused")), "'image_url' .* fetched: connection refused."),
    "another type": (
        Fetcher(b=PageContent(url=PNG, type="text/html", body=b"")),
        "it is not PNG, JPEG, GIF or WebP, but text/html",
    ),
    "too large": (Fetcher(b=PageContent(url=PNG, type="image/png", body=b"", is_cut=True)), "more than 100 bytes"),
}


@shows("inlined-urls")
@pytest.mark.parametrize("name", FAILURES)
def test_what_cannot_be_fetched_is_the_clients_error(name: str) -> None:
    fetcher, message = FAILURES[name]
    with pytest.raises(ApiError, match=message) as caught:
        opened([turn(image(PNG), image("https://b.example/"))], fetcher)
    assert (caught.value.status, caught.value.param) == (400, "input[1].content[1].image_url")


def test_there_is_a_number_of_urls() -> None:
    with pytest.raises(ApiError, match="More than 3"):
        opened([turn(*[image(PNG)] * 4)], Fetcher())
