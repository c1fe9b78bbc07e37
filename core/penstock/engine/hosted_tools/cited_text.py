"""The text of a model that may cite what its tools have found: markers of sources become citations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.citations import Citer, Source
from penstock.returned import carried
from penstock.tool_calls import HOSTED_CALLS
from penstock.transcript.deltas import AnnotationDelta, Delta, TextDelta, TextRun
from penstock.wire import Annotation, InputItem, TextFormat


class CitedText:
    """The text of one response, one part at a time. Without sources, it is handed on as it is."""

    def __init__(self, items: Iterable[InputItem], text_format: object) -> None:
        self._citer = Citer(first=_last_source(items) + 1)
        self._is_prose = text_format is None or isinstance(text_format, TextFormat)
        """Whether the text may have citations. JSON would not be valid with them."""

    @property
    def last_source(self) -> int:
        """The number of the last source of the response, or of those before it."""
        return self._citer.last

    def cite(self, sources: Sequence[Source]) -> int:
        """Number further sources. Returns the number of the first."""
        return self._citer.add(sources)

    def feed(self, delta: TextDelta | TextRun) -> list[Delta]:
        """A piece of the text, with its citations."""
        if not self._is_prose or not self._citer.has_sources:
            return [delta]
        texts = delta.texts if isinstance(delta, TextRun) else [delta.text]
        pieces = [piece for text in texts for piece in self._citer.feed(text)]
        if isinstance(delta, TextDelta) and pieces == [delta.text]:
            return [delta]  # with its logprobs
        return _deltas(pieces)

    def close(self) -> list[Delta]:
        """The part has ended."""
        return _deltas(self._citer.close())


def _deltas(pieces: Iterable[str | Annotation]) -> list[Delta]:
    return [TextDelta(piece) if isinstance(piece, str) else AnnotationDelta(piece) for piece in pieces]


def _last_source(items: Iterable[InputItem]) -> int:
    """The highest number of a source in the replies of a context."""
    known = [carried(item) for item in items if type(item) in HOSTED_CALLS and item.unknown]
    return max((one.last_source for one in known if one is not None), default=0)
