"""Citations: markers such as `【2】` in a model's text become links with annotations while the text arrives.

Tools number the sources that they find, and ask the model to write the number of a source after a claim. `Citer` knows
the sources of one response, and rewrites the markers. It is pure, and the result does not depend on how the text is
split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from penstock.patterns import lazy_pattern
from penstock.wire import Annotation, FileCitation, UrlCitation

HOW_TO_CITE = "Right after each claim that rests on a source, cite it by its number in these brackets: 【1】."
"""The sentence for the description of a function that finds sources."""

MARKER_CHARS_MAX = 256
"""A longer text is no marker. So this is how much text may be held back."""

_MARKER = lazy_pattern(r"【\s*(\d{1,9}(?:\s*,\s*\d{1,9})*)\s*(?:†[^【】\n]*)?】")
"""One or several numbers. After a `†` come the lines of the source, which some models write by their training."""
_BEGINNING = lazy_pattern(r"【\s*(?:\d{1,9}\s*,\s*)*(?:\d{0,9}|\d{1,9}\s*|\d{1,9}\s*†[^【】\n]*)")
"""The beginning of a marker, at the end of the text that has arrived."""
_OPENING = "【"
_ESCAPES = str.maketrans({"(": "%28", ")": "%29", "<": "%3C", ">": "%3E", " ": "%20"})
"""Characters that would end the address of a link in Markdown."""


class WebSource(msgspec.Struct, kw_only=True, frozen=True):
    """A page of the web. A marker of it becomes a link with a `url_citation`."""

    url: str
    title: str


class FileSource(msgspec.Struct, kw_only=True, frozen=True):
    """A file. A marker of it is removed, with the space before it, and becomes a `file_citation` of that index."""

    file_id: str
    filename: str


Source: TypeAlias = WebSource | FileSource
"""Something that a model may cite."""


class Citer:
    """The sources of one response, and the text of one part at a time.

    Indexes are in code points of the rewritten text of the part, and half-open.
    """

    def __init__(self, first: int = 1) -> None:
        self._first = first
        self._sources: list[Source] = []
        self._offset = 0
        self._held = ""
        """The end of the text, while it may be the beginning of a marker."""
        self._holds_spaces = False

    @property
    def has_sources(self) -> bool:
        """Whether there is anything to cite. Without sources, all texts stay as they are."""
        return bool(self._sources)

    @property
    def last(self) -> int:
        """The number of the last source. One less than the first number where there is none."""
        return self._first + len(self._sources) - 1

    def add(self, sources: Sequence[Source]) -> int:
        """Number further sources. Returns the number of the first; the others follow it."""
        number = self._first + len(self._sources)
        self._sources += sources
        self._holds_spaces = self._holds_spaces or any(isinstance(source, FileSource) for source in sources)
        return number

    def feed(self, text: str) -> list[str | Annotation]:
        """The text that is complete, and its annotations, each after the text that it is about."""
        if not self._held and _OPENING not in text and not (self._holds_spaces and text.endswith(" ")):
            self._offset += len(text)
            return [text] if text else []
        # spec: citations
        text, self._held = self._held + text, ""
        return self._joined(self._pieces(text))

    def close(self) -> list[str | Annotation]:
        """The part has ended: the text that was held back. The next part begins at 0."""
        rest, self._held = self._held, ""
        self._offset = 0
        return [rest] if rest else []

    def _pieces(self, text: str) -> Iterator[str | Annotation]:
        """The text up to the place from which it may be a marker that is incomplete."""
        begin = 0
        while (opening := text.find(_OPENING, begin)) >= 0:
            marker = _MARKER.match(text, opening, opening + MARKER_CHARS_MAX)
            if marker is None and self._may_grow(text, opening):
                break
            cited = self._cited(marker[1]) if marker else None
            if marker is None or cited is None:
                yield self._passed(text[begin : opening + 1])
                begin = opening + 1
                continue
            yield from self._rewritten(text[begin:opening], cited)
            begin = marker.end()
        end = len(text) if opening < 0 else opening
        if self._holds_spaces and end > begin and text[end - 1] == " ":
            end -= 1
        self._held = text[end:]
        yield self._passed(text[begin:end])

    def _may_grow(self, text: str, opening: int) -> bool:
        """Whether the text from there to its end is the beginning of a marker."""
        return len(text) - opening < MARKER_CHARS_MAX and _BEGINNING.fullmatch(text, opening) is not None

    def _cited(self, numbers: str) -> list[Source] | None:
        """The sources of these numbers. None if one is unknown: then the text stays as it is."""
        indexes = [int(number) - self._first for number in numbers.split(",")]
        if not all(0 <= index < len(self._sources) for index in indexes):
            return None
        return [self._sources[index] for index in indexes]

    def _rewritten(self, before: str, sources: list[Source]) -> Iterator[str | Annotation]:
        """The text before a marker, and what the marker becomes."""
        if isinstance(sources[0], FileSource):
            before = before.removesuffix(" ")
        yield self._passed(before)
        for source in sources:
            text, annotation = _REWRITES[type(source)](source, self._offset)
            yield self._passed(text)
            yield annotation

    def _passed(self, text: str) -> str:
        self._offset += len(text)
        return text

    def _joined(self, pieces: Iterator[str | Annotation]) -> list[str | Annotation]:
        """The pieces with one text between two annotations, and no empty texts."""
        joined: list[str | Annotation] = []
        texts: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                texts.append(piece)
                continue
            joined += [*_joined_texts(texts), piece]
            texts = []
        return [*joined, *_joined_texts(texts)]


def _joined_texts(texts: list[str]) -> list[str]:
    text = "".join(texts)
    return [text] if text else []


def _link(source: WebSource, offset: int) -> tuple[str, Annotation]:
    """A link in parentheses, as OpenAI's models write it, and its citation."""
    host = (urlsplit(source.url).hostname or source.url).removeprefix("www.")
    text = f"([{host}]({source.url.translate(_ESCAPES)}))"
    citation = UrlCitation(url=source.url, title=source.title, start_index=offset, end_index=offset + len(text))
    return text, citation


def _file(source: FileSource, offset: int) -> tuple[str, Annotation]:
    """No text, and the position of the citation."""
    return "", FileCitation(file_id=source.file_id, filename=source.filename, index=offset)


_REWRITES: dict[type[Any], Callable[[Any, int], tuple[str, Annotation]]] = {
    WebSource: _link,
    FileSource: _file,
}
"""What a marker of each kind of source becomes, at an offset of the text."""
