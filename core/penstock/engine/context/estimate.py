"""Estimated token counts, where the upstream does not count: four bytes of text are one token.

Counted is what a model reads and writes in a turn: texts, reasoning, names, arguments and outputs of calls, and tools.
The other fields of an item cost nothing: ids, statuses, logprobs, annotations, encrypted content, and the summary of
reasoning whose text is there. Usage, `input_tokens`, truncation and compaction all use this estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.json_codec import encode
from penstock.ports import Turn
from penstock.tool_calls import CALLS, OUTPUTS, WITHOUT_MESSAGE
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
"""Bytes of text per token."""

_MEDIA_TOKENS: dict[type[Part], int] = {InputImage: 765, InputFile: 1_000, InputAudio: 1_000}
"""Tokens of parts that are not text, whatever their size in bytes."""
_TEXTS: dict[type[Part], Callable[[Any], str]] = {
    InputText: lambda part: str(part.text),
    OutputText: lambda part: str(part.text),
    ReasoningText: lambda part: str(part.text),
    SummaryText: lambda part: str(part.text),
    Refusal: lambda part: str(part.refusal),
}
_WRITTEN: frozenset[type[Item]] = frozenset({McpApprovalRequest, UnknownItem})
"""Items that a chat model does not read, and that a model of another upstream wrote."""
_GIVEN = WITHOUT_MESSAGE - _WRITTEN
"""Items that a chat model does not read, and that no model wrote."""
_NO_TEXT = ("id", "call_id", "status")
"""Fields of an item that no model reads."""

Piece: TypeAlias = str | bytes | Part
"""A part of an item that costs tokens: a text, a text as UTF-8, or a content part that is not text."""


def estimate_usage(turn: Turn, output: Sequence[Item]) -> Usage:
    """The usage of a turn with this output, marked as estimated."""
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
    """The tokens of a turn's whole input."""
    return sum(item_tokens(turn)) + overhead_tokens(turn)


def item_tokens(turn: Turn) -> list[int]:
    """The tokens of each item of a turn."""
    reader = _Reader(relays=turn.relays)
    return [_tokens(reader.read(item)) for item in turn.items]


def overhead_tokens(turn: Turn) -> int:
    """The tokens of a turn's instructions and tools."""
    texts: list[list[Piece]] = [[turn.request.instructions or ""]]
    texts += [[offer.name, offer.description or "", bytes(offer.parameters)] for offer in turn.offers]
    if turn.relays:
        texts += [[encode(tool)] for tool in turn.request.tools or ()]
    return sum(map(_tokens, texts))


def has_media(turn: Turn) -> bool:
    """Whether a turn contains more than text, which no tokenizer counts."""
    reader = _Reader(relays=turn.relays)
    return any(isinstance(piece, Part) for item in turn.items for piece in reader.read(item))


class _Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Finds what a model reads of an item. An upstream that serves the Responses API reads more than a chat model."""

    relays: bool

    def read(self, item: Item) -> Iterator[Piece]:
        """All pieces of an item."""
        yield from self.written(item)
        yield from self._given(item)

    def written(self, item: Item) -> Iterable[Piece]:
        """The pieces that a user or a model wrote."""
        # spec: estimate-of-text
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
        """The pieces that a call returned, and those about tools and settings."""
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
    """The tokens of pieces that are counted together."""
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
