"""The text of pages: what parsers are given, and processes that break, hang or grow."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from penstock.limits import Limits
from penstock.ports import PageContent, PageFailed, PageText
from penstock_adapters.page_text import ProcessExtractor
from penstock_adapters.page_text.charsets import decoded
from penstock_adapters.page_text.documents import read
from penstock_adapters.page_text.html_text import title_and_text
from support.web_lab import PAGES, pdf

T = TypeVar("T")


def page(body: bytes | str, type: str = "text/html", charset: str = "", *, is_cut: bool = False) -> PageContent:
    encoded = body.encode() if isinstance(body, str) else body
    return PageContent(url="https://a.example/b/", type=type, charset=charset, body=encoded, is_cut=is_cut)


def text(content: PageContent) -> str:
    return read(content, 10_000).text


def test_the_main_part_is_found_in_markdown_with_links() -> None:
    found = read(page(PAGES["article.html"]), 100_000)
    assert found.title == "Rivers"
    assert found.text.startswith("# Rivers\n")
    assert "[the other page](https://a.example/more.html)" in found.text
    assert "imprint" not in found.text


def test_where_there_is_no_main_part_all_of_the_text_is_returned() -> None:
    html = (
        "<TITLE> A &amp; B </TITLE><script>x<y</script><style>p{}</style><p>One &lt;tag&gt;</p><svg>no</svg>"
        "<ul><li>two<li>three</ul><a href='c?d'>a link</a> and <a href='javascript:x'>none</a>, <b>bold</b>"
    )
    expected = "One <tag>\ntwo\nthree\n[a link](https://a.example/b/c?d) and none, bold"
    assert title_and_text(html, "https://a.example/b/") == ("A & B", expected)
    assert read(page(html), 1_000) == PageText(title="A & B", text=expected)


@pytest.mark.parametrize(
    ("body", "charset", "is_html", "expected"),
    [
        ("Grüße".encode(), "", True, "Grüße"),
        ("Grüße".encode("latin-1"), "", True, "Grüße"),
        ("Grüße".encode("latin-1"), "ISO-8859-1", False, "Grüße"),
        ("日本".encode("shift_jis"), "Shift_JIS", False, "日本"),
        (b'<meta charset="koi8-r">' + "да".encode("koi8-r"), "", True, '<meta charset="koi8-r">да'),
        (b"<meta http-equiv=x content='text/html; charset=gbk'>" + "中".encode("gbk"), "", True, None),
        ("\ufeffHi".encode(), "", False, "Hi"),
        (b"abc", "zip", False, "abc"),
        (b"abc", "punycode", False, "abc"),
        (b"abc", "no\x00ne", False, "abc"),
    ],
)
def test_the_charset_is_that_of_the_header_or_the_page(
    body: bytes, charset: str, is_html: bool, expected: str | None
) -> None:
    found = decoded(body, charset, is_html=is_html)
    assert found == expected if expected is not None else found.endswith("中")


def test_a_text_that_is_cut_within_a_character_stays_utf_8() -> None:
    assert text(page("Grüße".encode()[:-2], "text/plain", is_cut=True)) == "Grü\ufffd"
    assert text(page("é".encode("latin-1"), "text/plain")) == "é"


def test_pdf_is_read_and_a_part_of_one_is_not() -> None:
    assert text(page(pdf(), "application/pdf")) == "Words in a PDF"
    with pytest.raises(PageFailed, match="too large"):
        read(page(pdf(), "application/pdf", is_cut=True), 100)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 30))


def children() -> set[int]:
    """The processes that this one has started and that run."""
    return {int(number) for number in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


async def failed(extractor: ProcessExtractor, content: PageContent) -> str:
    with pytest.raises(PageFailed) as caught:
        await extractor.extract(content)
    return str(caught.value)


@pytest.mark.slow
def test_a_process_is_used_again_and_ends_when_it_is_idle() -> None:
    async def scenario() -> None:
        extractor = ProcessExtractor(Limits(page_text_idle_s=0.3))
        before = children()
        for _ in range(3):
            assert (await extractor.extract(page("<title>T</title><p>Hi"))).text == "Hi"
        assert len(children() - before) == 1
        await asyncio.sleep(0.6)
        assert children() == before
        assert (await extractor.extract(page("<p>Again"))).text == "Again"
        await extractor.aclose()
        assert children() == before

    run(scenario())


@pytest.mark.slow
def test_a_process_that_is_killed_or_hangs_or_grows_costs_one_page() -> None:
    async def scenario() -> None:
        extractor = ProcessExtractor(Limits(page_text_s=5))  # on a busy machine a start takes some seconds
        before = children()
        assert (await extractor.extract(page("<p>Hi"))).text == "Hi"
        [number] = children() - before
        os.kill(number, signal.SIGKILL)
        await asyncio.sleep(0.1)
        assert (await extractor.extract(page("<p>Hi"))).text == "Hi"
        [number] = children() - before
        os.kill(number, signal.SIGSTOP)
        assert "within 5 s" in await failed(extractor, page("<p>Hi"))
        assert children() == before
        assert "damaged" in await failed(extractor, page(b"%PDF-1.4 nothing", "application/pdf"))
        assert (await extractor.extract(page("<p>Hi"))).text == "Hi"
        await extractor.aclose()
        assert children() == before

    run(scenario())


@pytest.mark.slow
def test_a_page_that_needs_too_much_memory_fails() -> None:
    async def scenario() -> None:
        extractor = ProcessExtractor(Limits(page_text_memory_bytes_max=150 * 2**20))
        assert "too much memory" in await failed(extractor, page("<a href='" * 200_000))
        await extractor.aclose()

    run(scenario())


@pytest.mark.slow
def test_a_page_that_is_given_up_takes_its_process_with_it() -> None:
    async def scenario() -> None:
        extractor = ProcessExtractor(Limits())
        before = children()
        reading = asyncio.create_task(extractor.extract(page("<a href='" * 200_000)))
        await asyncio.sleep(0.5)
        assert children() != before
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await asyncio.sleep(0.2)
        assert children() == before

    run(scenario())


@pytest.mark.slow
def test_the_process_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SEARCH_KEY", "sk-canary")

    async def scenario() -> None:
        extractor = ProcessExtractor(Limits())
        before = children()
        await extractor.extract(page("<p>Hi"))
        [number] = children() - before
        environment = Path(f"/proc/{number}/environ")
        assert b"sk-canary" not in environment.read_bytes()  # noqa: ASYNC240 - nothing else runs
        await extractor.aclose()

    run(scenario())
