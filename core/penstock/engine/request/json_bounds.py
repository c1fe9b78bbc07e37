"""The bounds of a client's JSON: the number of its values, the keys of one object, and its depth.

It counts brackets, commas, colons and quotes before anything is decoded. It does not check whether a text is JSON: the
decoder does.

Few texts are examined closely. The marks of a text, including those within its strings, are never fewer than those of
its structure: if they are within the bounds, nothing more is done. Every step is one linear pass.
"""

from __future__ import annotations

import msgspec

from penstock.errors import ApiError, invalid
from penstock.limits import Limits
from penstock.patterns import lazy_pattern

_ALL = bytes(range(256))
_NOT_COUNTED = _ALL.translate(None, b"{[,:")
_NO_OPENING = _ALL.translate(None, b"{[")
_NO_MARK = _ALL.translate(None, b'{}[],:"')
_ONE_FORM = bytes.maketrans(b"{}", b"[]")
_STRING = lazy_pattern(rb'"[^"]*"?')
_OPENING, _COLON, _COMMA = b"[:,"
_LEVEL_BYTES, _VALUE_BYTES, _KEY_BYTES = 2, 2, 5
"""The shortest level, `[]`, the shortest entry of an array, `0,`, and that of an object, `"":0,`."""
_QUOTES_PER_VALUE = 4
"""A value is at most one string, and so is its key."""


class Marks(msgspec.Struct, frozen=True):
    """The marks of a text, including those within its strings: upper bounds of its values and keys."""

    values: int
    keys: int


def marks_in(text: bytes) -> Marks:
    """Count the marks of a text."""
    marks = text.translate(_ONE_FORM, _NOT_COUNTED)
    keys = marks.count(b":")
    return Marks(len(marks) - keys, keys)


def has_at_most(text: bytes, *, values: int, keys: int) -> bool:
    """Whether the text certainly has no more values and keys than these."""
    if len(text) <= values * _VALUE_BYTES and len(text) <= keys * _KEY_BYTES:
        return True
    marks = marks_in(text)
    return marks.values <= values and marks.keys <= keys


def check_json(text: bytes, limits: Limits) -> None:
    """Raises `ApiError` 400 for JSON with too many values or keys."""
    # spec: linear-work
    if not has_at_most(text, values=limits.json_values_max, keys=limits.json_keys_max):
        _check_structure(_structure(text, limits), limits, None)


def check_depth(raw: msgspec.Raw, param: str, limits: Limits) -> None:
    """Raises `ApiError` 400 for too many levels of JSON that is passed on undecoded, whose depth no type bounds."""
    if memoryview(raw).nbytes <= limits.json_depth_max * _LEVEL_BYTES:
        return
    text = bytes(raw)
    if len(text.translate(None, _NO_OPENING)) > limits.json_depth_max:
        _check_structure(_structure(text, limits), limits, param)


def count_entries(raw: msgspec.Raw) -> int:
    """The number of entries of a list, without decoding them; 0 if it is not a list."""
    if bytes(memoryview(raw)[:1]) != b"[":
        return 0
    depth = commas = 0
    for mark in _outside_strings(_with_strings(bytes(raw))).translate(None, b":"):
        if mark == _COMMA:
            commas += depth == 1
        else:
            depth += 1 if mark == _OPENING else -1
    return commas + 1


def too_deep(limits: Limits, param: str | None = None) -> ApiError:
    """The error for JSON with too many levels: 400."""
    what = f"Invalid '{param}'" if param else "Invalid body"
    message = f"{what}: nested too deeply. Expected at most {limits.json_depth_max} levels."
    return invalid(message, param, "json_too_deep")


def _structure(text: bytes, limits: Limits) -> bytes:
    """The brackets and colons outside of strings. Raises `ApiError` 400 for too many values."""
    marks = _with_strings(text)
    if marks.count(b'"') > _QUOTES_PER_VALUE * limits.json_values_max:
        raise _too_many_values(limits)
    marks = _outside_strings(marks)
    if marks.count(b",") + marks.count(b"[") > limits.json_values_max:
        raise _too_many_values(limits)
    return marks.replace(b",", b"")


def _with_strings(text: bytes) -> bytes:
    """The marks, and the quotes of strings."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return text.translate(_ONE_FORM, _NO_MARK)


def _outside_strings(marks: bytes) -> bytes:
    """The marks outside of strings."""
    return _STRING.sub(b"", marks.replace(b'""', b""))  # a string without marks, or the quotes between two strings


def _check_structure(marks: bytes, limits: Limits, param: str | None) -> None:
    """Raises `ApiError` 400 for too many levels, or too many keys in one object."""
    keys = [0]
    for mark in marks:
        if mark == _COLON:
            keys[-1] += 1
            if keys[-1] > limits.json_keys_max:
                raise _too_many_keys(limits)
        elif mark == _OPENING:
            keys.append(0)
            if len(keys) > limits.json_depth_max + 1:
                raise too_deep(limits, param)
        elif len(keys) > 1:
            keys.pop()


def _too_many_values(limits: Limits) -> ApiError:
    message = f"Invalid body: too many values. Expected at most {limits.json_values_max}."
    return invalid(message, code="json_too_many_values")


def _too_many_keys(limits: Limits) -> ApiError:
    message = f"Invalid body: an object with too many keys. Expected at most {limits.json_keys_max}."
    return invalid(message, code="object_above_max_properties")
