"""Tokens by rule of thumb, where an upstream does not count them: four bytes of text are a token.

An image, a file and a sound cost the same whatever their size: what they weigh as text says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from penstock.lossless import encode
from penstock.ports import Turn
from penstock.wire import InputAudio, InputFile, InputImage, InputItem, Part, Response, Usage

TOKEN_BYTES = 4
"""Bytes of an average token."""
_MEDIA_TOKENS: dict[type[Part], int] = {InputImage: 765, InputFile: 1_000, InputAudio: 1_000}
_PARTS = ("content", "output")
"""Where an item may have parts."""


def estimate_usage(turn: Turn, response: Response) -> Usage:
    """The usage of a turn, marked as estimated. JSON's own marks are counted too: templates have as many."""
    input_tokens = estimate_input(turn)
    output_tokens = sum(_tokens(item) for item in response.output)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
        estimated=True,
    )


def estimate_input(turn: Turn) -> int:
    """What a turn's whole input costs."""
    spoken = [_without_media(item) for item in turn.items]
    return _tokens([item for item, _ in spoken]) + sum(tokens for _, tokens in spoken) + overhead_tokens(turn)


def overhead_tokens(turn: Turn) -> int:
    """What a turn costs beside its items: instructions and tools."""
    return _tokens(turn.request.instructions) + _tokens(turn.offers)


def item_tokens(item: InputItem) -> int:
    """What one item costs."""
    text, tokens = _without_media(item)
    return _tokens(text) + tokens


def has_media(turn: Turn) -> bool:
    """Whether a turn shows more than text, which no tokenizer counts."""
    return any(type(part) in _MEDIA_TOKENS for item in turn.items for _, parts in _parts(item) for part in parts)


def _without_media(item: InputItem) -> tuple[InputItem, int]:
    """An item as far as it is text, and what the rest of it costs."""
    tokens = 0
    for name, parts in _parts(item):
        media = [_MEDIA_TOKENS[type(part)] for part in parts if type(part) in _MEDIA_TOKENS]
        if media:
            tokens += sum(media)
            item = replace(item, **{name: [part for part in parts if type(part) not in _MEDIA_TOKENS]})
    return item, tokens


def _parts(item: InputItem) -> Iterator[tuple[str, Sequence[Part]]]:
    for name in _PARTS:
        parts = getattr(item, name, None)
        if isinstance(parts, list):
            yield name, parts


def _tokens(value: object) -> int:
    return -(-len(encode(value)) // TOKEN_BYTES) if value else 0
