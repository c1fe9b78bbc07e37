"""The text of HTML by the standard library: all of it, where no package finds the main part."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

_SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "select", "textarea"})
_BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main "
    "nav ol p pre section table td th tr ul".split()
)
_URL_CHARS_MAX = 1_000
_SPACES = re.compile(r"\s+")


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.pieces: list[str] = []
        self._url = url
        self._skipped = 0
        self._is_title = False
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipped += 1
        elif tag == "title":
            self._is_title = not self.title
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag == "a" and (href := dict(attrs).get("href")):
            self._link = self._absolute(href)
            self.pieces.append("[" if self._link else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipped = max(0, self._skipped - 1)
        elif tag == "title":
            self._is_title = False
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag == "a" and self._link:
            self.pieces.append(f"]({self._link})")
            self._link = ""

    def handle_data(self, data: str) -> None:
        if self._is_title:
            self.title.append(data)
        elif not self._skipped:
            self.pieces.append(_SPACES.sub(" ", data))

    def _absolute(self, href: str) -> str:
        try:
            url = urljoin(self._url, href.strip())
        except ValueError:
            return ""
        return url if url.startswith(("http://", "https://")) and len(url) <= _URL_CHARS_MAX else ""


def title_and_text(html: str, url: str) -> tuple[str, str]:
    """The title of a page, and its text with links as in Markdown."""
    reader = _Reader(url)
    reader.feed(html)
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.pieces).split("\n")]
    return " ".join("".join(reader.title).split()), "\n".join(line for line in lines if line)
