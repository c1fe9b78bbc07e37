"""Content parts with signatures, which the upstream wants back as they came: messages of later turns have them again.

It knows how a signed part differs from a text or a thought, and that no text of ours is replaced by another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from penstock.returned import Fields
from penstock.wire import UNSET, UnsetType

from . import wire
from .parts import is_text_or_thought, is_thought, words

CONTENT = "content"
"""The field of a message with its parts."""
_DEPTH_MAX = 8
_DESCRIBED = frozenset(("annotations", "citations", "logprobs", "index", "id", "cache_control"))
_UNSIGNED = _DESCRIBED | frozenset(wire.ReadPart.__struct_encode_fields__)
"""The keys of a part of which nothing is lost in a Response, or that describe it for a reader."""
_THOUGHTS = frozenset(("reasoning_content", "reasoning_text", "reasoningContent", "reasoningText"))
"""Where Bedrock has a thought as an object, with its signature."""
_REDACTED = "redacted"
"""How the types of thoughts begin that have nothing but a signature."""


class _Message(msgspec.Struct):
    """A message, as far as its content goes, which stays undecoded."""

    content: msgspec.Raw | UnsetType = UNSET


class _Choice(msgspec.Struct):
    """A choice of a stream, or of a whole completion."""

    index: Any = None
    delta: _Message | None = None
    message: _Message | None = None


class _Reply(msgspec.Struct):
    """A chunk, or a whole completion."""

    choices: list[_Choice]


_reply_of = msgspec.json.Decoder(_Reply).decode
_values_of = msgspec.json.Decoder(list[Any]).decode
_raws_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_parts_of = msgspec.json.Decoder(list[wire.ReadPart]).decode


def contents(chunk: bytes) -> Iterator[msgspec.Raw]:
    """The contents of the message in a chunk that are lists."""
    try:
        choices = _reply_of(chunk).choices
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    for choice in choices:
        for message in (choice.delta, choice.message):
            content = UNSET if choice.index or message is None else message.content
            if content is not UNSET and bytes(memoryview(content)[:1]) == b"[":
                yield content


def is_signed(content: msgspec.Raw) -> bool:
    """Whether a list of parts has something that a text and a thought have no place for."""
    try:
        return _has_signature(_values_of(content), 0)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _has_signature(parts: Any, depth: int) -> bool:
    if not isinstance(parts, list) or depth == _DEPTH_MAX:
        return False
    return any(_is_signed_part(part, depth) for part in parts if isinstance(part, dict))


def _is_signed_part(part: dict[str, Any], depth: int) -> bool:
    kind = str(part.get("type", ""))
    if kind.startswith(_REDACTED) or (is_text_or_thought(kind) and part.keys() - _UNSIGNED):
        return True
    inner = ([value] if name in _THOUGHTS and isinstance(value, dict) else value for name, value in part.items())
    return any(_has_signature(value, depth + 1) for value in inner)


def own_content(fields: Fields, text: str) -> msgspec.Raw | None:
    """The parts that go back in place of this text; None where there are none, or a client has changed the text.

    Some backends send thoughts as parts, and the text after them as a text, which is a part here.
    """
    content = fields.get(CONTENT)
    if content is None:
        return None
    try:
        texts = "".join(words(part) for part in _parts_of(content) if not is_thought(part))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if texts == text:
        return content
    return msgspec.Raw(_encode([*_raws_of(content), wire.TextPart(text=text)])) if not texts else None
