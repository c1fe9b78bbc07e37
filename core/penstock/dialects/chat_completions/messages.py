"""A message, or a piece of one, as deltas.

It stores no text: only which call is which, and which fields have been read, so that a message that comes again as a
whole adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from typing import TypeAlias

from penstock.transcript.deltas import (
    AnnotationDelta,
    AudioDelta,
    Delta,
    ImageDelta,
    ReasoningDelta,
    ReasoningRun,
    RefusalDelta,
    TextDelta,
    TextRun,
)
from penstock.wire import UNSET, Logprob, TopLogprob, UrlCitation

from . import wire
from .calls import CallReader
from .extras import ExtrasReader
from .marked_thoughts import CLOSE, take_marked
from .parts import UnsupportedContent, other_media, other_thought, read_audio, read_image, read_part, words
from .think import ThinkSplitter
from .unknown_values import UnknownValues

_FIELDS: dict[str, tuple[str, ...]] = {
    "text": ("content",),
    "parts": ("content",),
    "thought": ("reasoning_content", "reasoning", "reasoning_details", "extras"),
    "calls": ("tool_calls", "function_call"),
    "refusal": ("refusal",),
    "annotations": ("annotations",),
    "images": ("images",),
    "audio": ("audio",),
}
"""The fields that may hold each thing."""
_RETURNED = frozenset(("reasoning_details", "extras"))
"""Those that stay undecoded, since the upstream gets them back."""
_THINGS: dict[type[Delta], str] = {
    TextDelta: "text",
    ReasoningDelta: "thought",
    RefusalDelta: "refusal",
    AnnotationDelta: "annotations",
    ImageDelta: "images",
    AudioDelta: "audio",
}
_ANSWERS = frozenset(("text", "calls", "refusal", "images"))
"""What a client sees of an answer, apart from its thoughts."""
_UNSUPPORTED_MAX = 10
"""How many types of parts a note names."""
_SOURCES_MAX = 100
"""How many sources of an answer become annotations."""
_KIND_CHARS_MAX = 100
"""How much of each."""


Logprobs: TypeAlias = "wire.ReadLogprobs | list[wire.ReadLogprob] | None"


class MessageReader:
    """Reads the one message of a reply."""

    def __init__(self, *, think: ThinkSplitter | None, unknown: UnknownValues, extras: ExtrasReader) -> None:
        self._has_text = self._has_thought = False
        self._has_marked = False
        """Whether the last text was a thought by a mark, so that the next may begin with the tag that ends it."""
        self._others: set[str] = set()
        """What else has been read."""
        self._extras = extras
        self._calls = CallReader(extras)
        self._think = think
        self._unknown = unknown
        self._unsupported: dict[str, None] = {}
        """The types of the parts that left nothing in the Response."""
        self._sources: dict[str, str] = {}
        """The titles of pages that the upstream lists as its sources, by their URLs."""
        self._pending_logprobs: list[Logprob] = []
        """Those of tokens that made no text yet, being pieces of a character; the next text delta carries them."""

    def read_whole(self, message: wire.ReadMessage, logprobs: Logprobs, out: list[Delta]) -> None:
        """Read what a whole message holds and no piece before it held."""
        take_marked(message, is_whole=True)
        self._extras.message(message)
        # spec: whole-message-last
        for thing in self._read_so_far():
            for field in _FIELDS[thing]:
                setattr(message, field, UNSET if field in _RETURNED else None)
        if self._think and type(message.content) is str:
            self._think.expect_whole(message.content)
        self.read(message, logprobs if message.content else None, out, is_whole=True)

    def read(
        self,
        message: wire.ReadMessage,
        logprobs: Logprobs,
        out: list[Delta],
        *,
        is_whole: bool = False,
    ) -> None:
        """Read a message, or a piece of one."""
        # spec: quirk-thoughts
        thought: wire.Words = message.reasoning_content or message.reasoning
        if message.reasoning_details is not UNSET or message.extras is not UNSET:
            thought = self._more(message, thought, is_whole=is_whole)
        if thought:
            self._has_thought = True
            out.append(ReasoningDelta(thought if type(thought) is str else words(thought)))
        content = message.content
        if content:
            if type(content) is str:
                self._text(content, logprobs, out)
            else:
                # spec: quirk-parts
                self._parts(content if isinstance(content, list) else [content], logprobs, out)
        elif logprobs and not thought and not message.tool_calls:
            self._pending_logprobs += _logprobs(logprobs)
        if message.tool_calls or message.function_call:
            self._others.add("calls")
            out += self._calls.read(_calls(message), are_whole=is_whole)
        if message.refusal or message.annotations or message.images or message.audio or message.citations:
            self._rest(message, out)

    def take_parts(self, chunk: bytes) -> None:
        """Take the content parts of a chunk as they came, for the upstream may want them back."""
        self._extras.content(chunk)

    def read_run(self, run: TextRun | ReasoningRun, out: list[Delta]) -> None:
        """Take the run of several plain chunks."""
        if isinstance(run, ReasoningRun):
            self._has_thought = True
            out.append(run)
        elif self._think or self._pending_logprobs or self._has_marked:
            for text in run.texts:
                self._text(text, None, out)
        else:
            self._has_text = True
            out.append(run)

    def _more(self, message: wire.ReadMessage, thought: wire.Words, *, is_whole: bool) -> wire.Words:
        """Take what the upstream wants back, and find a thought that has another name."""
        if take_marked(message, is_whole=is_whole):
            self._has_marked, thought = True, message.reasoning_content
        for media in other_media(message):
            self._add(media, [])
        if not is_whole:
            self._extras.message(message)
        return thought or other_thought(message)

    def close(self) -> list[Delta]:
        """What was held back, and a note of what could not be shown where nothing else answers."""
        out = self._think.close() if self._think else []
        if self._unsupported and not self._read_so_far() & _ANSWERS:
            kinds = ", ".join(self._unsupported)
            out.append(TextDelta(f"[The model answered with what cannot be shown here: {kinds}]"))
        # spec: sources-beside
        if self._has_text and not self._others & {"annotations", "calls"}:
            citations = (wire.ReadAnnotation(url=url, title=title) for url, title in self._sources.items())
            out += chain.from_iterable(map(_annotation, citations))
        return [*out, *self._extras.close()]

    def add_sources(self, sources: Iterable[str | wire.ReadCitation]) -> None:
        """Take pages that the upstream lists beside its answer. They are its annotations where it has no others."""
        for source in sources:
            url, title = (source, "") if isinstance(source, str) else (source.url or "", source.title or "")
            if url in self._sources or len(self._sources) < _SOURCES_MAX:
                self._sources[url] = title or self._sources.get(url, "")

    def _read_so_far(self) -> set[str]:
        """All things that have been read."""
        frequent = {"text": self._has_text, "thought": self._has_thought}
        return self._others | {thing for thing, is_read in frequent.items() if is_read}

    def _text(self, text: str, logprobs: Logprobs, out: list[Delta]) -> None:
        if self._has_marked:
            self._has_marked, text = False, text.removeprefix(CLOSE)
        self._has_text = True
        of_text: list[Logprob] = []
        if logprobs or self._pending_logprobs:
            of_text, self._pending_logprobs = self._pending_logprobs + _logprobs(logprobs), []
        if self._think:
            if self._has_thought:  # in a field of its own
                self._think.is_opened = False
            out += self._think.feed(text, of_text)
        else:
            out.append(TextDelta(text, of_text))

    def _parts(self, parts: list[str | wire.ReadPart], logprobs: Logprobs, out: list[Delta]) -> None:
        self._others.add("parts")
        for part in parts:
            for delta in read_part(part):
                if isinstance(delta, TextDelta):
                    self._text(delta.text, logprobs, out)
                    logprobs = None
                else:
                    self._add(delta, out)

    def _rest(self, message: wire.ReadMessage, out: list[Delta]) -> None:
        """What few messages have."""
        deltas: list[Delta | UnsupportedContent] = [RefusalDelta(message.refusal)] if message.refusal else []
        for annotation in message.annotations or ():
            deltas += _annotation(annotation)
        self.add_sources(message.citations or ())
        for image in message.images or ():
            deltas += read_image(image)
        for delta in deltas + read_audio(message.audio):
            self._add(delta, out)

    def _add(self, content: Delta | UnsupportedContent, out: list[Delta]) -> None:
        """Add a delta other than plain text."""
        # spec: media-in-answers
        if isinstance(content, UnsupportedContent):
            if len(self._unsupported) < _UNSUPPORTED_MAX:
                self._unsupported[content.kind[:_KIND_CHARS_MAX]] = None
            self._unknown.log("content part", content.kind, "has no place in a Response")
            return
        self._others.add(_THINGS[type(content)])
        out.append(content)


def _calls(message: wire.ReadMessage) -> list[wire.ReadToolCall]:
    """The calls, or the older form of one, which some send beside the newer one."""
    return message.tool_calls or [wire.ReadToolCall(index=0, function=message.function_call)]


def _annotation(read: str | wire.ReadAnnotation) -> list[Delta]:
    """A citation of a page, which is the one annotation that Chat Completions has."""
    citation = wire.ReadCitation(url=read) if isinstance(read, str) else read.url_citation or read
    if not citation.url:
        return []
    return [
        AnnotationDelta(
            UrlCitation(
                url=citation.url,
                title=citation.title or "",
                start_index=max(citation.start_index or 0, 0),
                end_index=max(citation.end_index or 0, 0),
            )
        )
    ]


def _logprob(read: wire.ReadLogprob) -> Logprob:
    top = [_top_logprob(token) for token in read.top_logprobs or ()]
    return Logprob(token=read.token, logprob=read.logprob, bytes=_bytes(read), top_logprobs=top)


def _logprobs(read: Logprobs) -> list[Logprob]:
    if not read:
        return []
    tokens = read if isinstance(read, list) else read.content or list(_older(read))
    return [_logprob(token) for token in tokens]


def _older(read: wire.ReadLogprobs) -> Iterator[wire.ReadLogprob]:
    """The tokens of lists side by side, as the older completions have them. The first may have no logprob."""
    # spec: odd-logprobs
    listed = zip_longest(read.tokens or (), read.token_logprobs or (), read.top_logprobs or ())
    for token, logprob, likely in listed:
        if token is not None:
            top = [wire.ReadTopLogprob(token=name, logprob=value) for name, value in (likely or {}).items()]
            yield wire.ReadLogprob(token=token, logprob=logprob or 0.0, top_logprobs=top)


def _top_logprob(read: wire.ReadTopLogprob) -> TopLogprob:
    return TopLogprob(token=read.token, logprob=read.logprob, bytes=_bytes(read))


def _bytes(read: wire.ReadTopLogprob) -> list[int]:
    return list(read.token.encode()) if read.bytes is None else read.bytes
