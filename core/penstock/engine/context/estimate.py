"""Tokens by rule of thumb, where an upstream does not count them: four bytes of text are a token.

It knows what a model reads and writes of a turn: texts, thoughts, names and arguments of calls, what these gave back,
and tools. What else an item's JSON holds costs nothing: ids, statuses, logprobs, annotations, sealed texts, and
summaries of thoughts that are there. Usage, `input_tokens`, truncation and compaction all count by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.json_codec import encode
from penstock.ports import Turn
from penstock.tool_calls import CALLS, OUTPUTS, SILENT
from penstock.wire import (
    UNSET,
    ContentPart,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    Item,
    McpApprovalRequest,
    Message,
    OutputText,
    OutputTokensDetails,
    Part,
    ReasoningItem,
    ReasoningText,
    Refusal,
    SummaryText,
    UnknownItem,
    UnknownPart,
    Usage,
)

TOKEN_BYTES = 4
"""Bytes of an average token."""

_MEDIA_TOKENS: dict[type[Part], int] = {InputImage: 765, InputFile: 1_000, InputAudio: 1_000}
"""What parts cost that are no text. What they weigh says nothing of it."""
_TEXTS: dict[type[Part], Callable[[Any], str]] = {
    InputText: lambda part: str(part.text),
    OutputText: lambda part: str(part.text),
    ReasoningText: lambda part: str(part.text),
    SummaryText: lambda part: str(part.text),
    Refusal: lambda part: str(part.refusal),
}
_WRITTEN: frozenset[type[Item]] = frozenset({McpApprovalRequest, UnknownItem})
"""Items that a chat model is not told, and that a model of another upstream wrote."""
_GIVEN = SILENT - _WRITTEN
"""Items that a chat model is not told either, and that no model wrote."""
_NO_TEXT = ("id", "call_id", "status")
"""Fields of an item that no model reads."""

Piece: TypeAlias = str | bytes | Part
"""Something of an item that costs: a text, a text as UTF-8, or a part that is no text."""


def estimate_usage(turn: Turn, output: Sequence[Item]) -> Usage:
    """The usage of a turn to which a model wrote this output, marked as estimated."""
    reader = _Reader(relays=turn.relays)
    input_tokens = estimate_input(turn)
    written = [(item, _tokens(reader.written(item))) for item in output]
    output_tokens = sum(tokens for _, tokens in written)
    thoughts = sum(tokens for item, tokens in written if isinstance(item, ReasoningItem))
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=thoughts),
        total_tokens=input_tokens + output_tokens,
        estimated=True,
    )


def estimate_input(turn: Turn) -> int:
    """What a turn's whole input costs."""
    return sum(item_tokens(turn)) + overhead_tokens(turn)


def item_tokens(turn: Turn) -> list[int]:
    """What each item of a turn costs."""
    reader = _Reader(relays=turn.relays)
    return [_tokens(reader.read(item)) for item in turn.items]


def overhead_tokens(turn: Turn) -> int:
    """What a turn costs beside its items: instructions and tools."""
    told: list[list[Piece]] = [[turn.request.instructions or ""]]
    told += [[offer.name, offer.description or "", bytes(offer.parameters)] for offer in turn.offers]
    if turn.relays:
        told += [[encode(tool)] for tool in turn.request.tools or ()]
    return sum(map(_tokens, told))


def has_media(turn: Turn) -> bool:
    """Whether a turn shows more than text, which no tokenizer counts."""
    reader = _Reader(relays=turn.relays)
    return any(isinstance(piece, Part) for item in turn.items for piece in reader.read(item))


class _Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Finds what of an item a model reads. An upstream that speaks Responses is told more of it than a chat model."""

    relays: bool

    def read(self, item: Item) -> Iterator[Piece]:
        """All of it."""
        yield from self.written(item)
        yield from self._given(item)

    def written(self, item: Item) -> Iterable[Piece]:
        """What a user or a model has written."""
        if isinstance(item, Message):
            return self._pieces(item.content)
        if isinstance(item, ReasoningItem):
            summary = item.summary if self.relays else ()
            return self._pieces(item.content or summary)
        if read_call := CALLS.get(type(item)):
            call = read_call(item)
            return (call.name, call.arguments)
        return self._whole(item) if type(item) in _WRITTEN else ()

    def _given(self, item: Item) -> Iterable[Piece]:
        """What a call gave back, and what tells of tools and settings."""
        if read_output := OUTPUTS.get(type(item)):
            return self._pieces(read_output(item).content)
        return self._whole(item) if type(item) in _GIVEN else ()

    def _pieces(self, content: str | Sequence[ContentPart | ReasoningText | SummaryText]) -> Iterator[Piece]:
        if isinstance(content, str):
            yield content
            return
        for part in content:
            if read := _TEXTS.get(type(part)):
                yield read(part)
            elif not isinstance(part, UnknownPart):
                yield part
            elif self.relays:
                yield encode(part)

    def _whole(self, item: Any) -> Iterator[Piece]:
        if self.relays:
            yield encode(replace(item, **{name: UNSET for name in _NO_TEXT if name in item.__struct_fields__}))


def _tokens(pieces: Iterable[Piece]) -> int:
    """What pieces of one thing cost together."""
    size_bytes = tokens = 0
    for piece in pieces:
        if isinstance(piece, Part):
            tokens += _MEDIA_TOKENS.get(type(piece), 0)
        else:
            size_bytes += _size_bytes(piece)
    return tokens - (-size_bytes // TOKEN_BYTES)


def _size_bytes(text: str | bytes) -> int:
    if isinstance(text, bytes) or text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass"))
