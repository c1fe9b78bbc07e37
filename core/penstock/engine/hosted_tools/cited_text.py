"""The text of a model that may cite what its tools have found: markers of sources become citations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.citations import Citer, Source
from penstock.returned import carried
from penstock.tool_calls import HOSTED_CALLS
from penstock.transcript.deltas import AnnotationDelta, Delta, TextDelta, TextRun
from penstock.wire import Annotation, InputItem, Logprob, TextFormat


class CitedText:
    """The text of one response, one part at a time. Without sources, it is handed on as it is."""

    def __init__(self, items: Iterable[InputItem], text_format: object) -> None:
        self._citer = Citer(first=_last_source(items) + 1)
        self._is_prose = text_format is None or isinstance(text_format, TextFormat)
        """Whether the text may have citations. JSON would not be valid with them."""
        self._logprobs: list[Logprob] = []
        """The logprobs of the text that is held back, with those of markers: they are of what the model wrote."""

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
        if isinstance(delta, TextRun):
            return self._deltas(piece for text in delta.texts for piece in self._citer.feed(text))
        self._logprobs += delta.logprobs
        return self._deltas(self._citer.feed(delta.text))

    def close(self) -> list[Delta]:
        """The part has ended."""
        closed = self._deltas(self._citer.close())
        self._logprobs = []
        return closed

    def _deltas(self, pieces: Iterable[str | Annotation]) -> list[Delta]:
        """The deltas of pieces. The first text has the logprobs of all that the model has written since the last."""
        deltas: list[Delta] = []
        for piece in pieces:
            if isinstance(piece, str):
                logprobs, self._logprobs = self._logprobs, []
                deltas.append(TextDelta(piece, logprobs))
            else:
                deltas.append(AnnotationDelta(piece))
        return deltas


def _last_source(items: Iterable[InputItem]) -> int:
    """The highest number of a source in the replies of a context."""
    known = [carried(item) for item in items if type(item) in HOSTED_CALLS and item.unknown]
    return max((one.last_source for one in known if one is not None), default=0)
