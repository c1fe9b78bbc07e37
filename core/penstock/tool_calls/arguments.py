"""Arguments of functions, which are one JSON object, also where a model or an upstream writes another text.

It knows the texts that mean an object: nothing, null, an object in a JSON string or in a block of Markdown, and an
object behind an empty one. It never reads a schema.
"""

from __future__ import annotations

import re

import msgspec

from penstock.json_codec import encode
from penstock.patterns import lazy_pattern

_Object = dict[str, msgspec.Raw]
_object_of = msgspec.json.Decoder(_Object).decode
_text_of = msgspec.json.Decoder(str).decode

_NOTHING = frozenset(("", "null", "None", "undefined", '""'))
"""What is written in place of an empty object."""
_FENCED = lazy_pattern(r"```\w*\s*(\{.*\})\s*```", re.DOTALL)
_BEGINNING = lazy_pattern(r"\s*\{(?!\s*\}\s*$)")
_EMPTY_BEFORE = lazy_pattern(r"\s*\{\s*\}\s*(?=\{)")
_UNREADABLE = "invalid_json"
"""The key of arguments that are no JSON, for the model that wrote them."""


def begins_object(text: str) -> bool:
    """Whether a text is the beginning of an object. An empty object may be a placeholder for what comes after it."""
    return _BEGINNING.match(text) is not None


def without_empty_object(text: str) -> str:
    """The text without an empty object before another one."""
    empty = _EMPTY_BEFORE.match(text)  # a search would begin at every space
    return text[empty.end() :] if empty else text


def as_object(text: str) -> str | None:
    """The object that a text means, as JSON; None where it means none."""
    text = without_empty_object(text).strip()
    if text in _NOTHING:
        return "{}"
    if is_object(text):
        return text
    inner = _inner_of(text)
    return inner if inner is not None and is_object(inner) else None


def some_object(text: str) -> str:
    """The object that a text means. Another text is the value of the key `invalid_json`."""
    return as_object(text) or encode({_UNREADABLE: text}).decode()


def is_object(text: str) -> bool:
    """Whether a text is one JSON object."""
    try:
        _object_of(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _inner_of(text: str) -> str | None:
    """What is in a JSON string, or in a block of Markdown."""
    if fenced := _FENCED.fullmatch(text):
        return fenced[1]
    try:
        return _text_of(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
