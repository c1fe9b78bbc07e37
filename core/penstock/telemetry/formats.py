"""The formats of log lines: text for people, or one JSON object a line for machines.

A line may contain texts of a client or an upstream. So all unprintable characters are escaped: no such text can start
another line or control a terminal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import msgspec

from penstock.json_codec import unicode_escape
from penstock.patterns import lazy_pattern

from .records import current

LogFormat: TypeAlias = Literal["text", "json"]

OwnFields: TypeAlias = Mapping[str, int | float | str]
"""Fields of numbers and ids: they are printable, and need no quotes."""

_TEMPLATES_MAX = 64
"""The entries of the cache of templates: lines have few sets of fields."""

_encode = msgspec.json.Encoder(enc_hook=str).encode

_PLAIN = lazy_pattern(r"[!#-<>-\[\]-~]+")
"""A value without quotes: letters, digits and signs, but no space, quote, backslash or equals sign."""
_PLAIN_FIELDS = lazy_pattern(rf"(?: [a-z_]+={_PLAIN.pattern})*")
"""Fields whose values are all without quotes."""
_NUMBERS = frozenset({int, float})
_PLAIN_TYPES = _NUMBERS | {str}


class TextFormat(logging.Formatter):
    """A line for people: the message, and after it the fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__()
        self._times = _Times("%Y-%m-%d %H:%M:%S,", time.localtime)

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the lines of a traceback indented below it."""
        opening = self.opening(record.levelname, record.name, record.getMessage(), {}, _fields(record))
        return "\n  ".join([self._times.text(record.created) + opening, *_traceback(self, record)])

    def opening(
        self, level: str, logger: str, message: str, in_message: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> str:
        """The beginning of a line, without its time."""
        return f" {level} {logger}: {escaped(message)}{_as_text(fields)}"

    def line(self, time_s: float, opening: str, fields: OwnFields) -> str:
        """The line with this beginning."""
        return self._times.text(time_s) + opening + _template(tuple(fields)) % tuple(fields.values())


class JsonFormat(logging.Formatter):
    """A line for machines: one JSON object. It repeats the fields that its message contains."""

    def __init__(self) -> None:
        super().__init__()
        self._times = _Times("%Y-%m-%dT%H:%M:%S.", time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The object, with the traceback in it."""
        in_message = getattr(record, "in_message", {})
        opening = self.opening(record.levelname, record.name, record.getMessage(), in_message, _fields(record))
        traceback = _traceback(self, record)
        return self.line(record.created, opening, {"traceback": "\n".join(traceback)} if traceback else {})

    def opening(
        self, level: str, logger: str, message: str, in_message: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> str:
        """The beginning of the object, without its time."""
        opening: dict[str, object] = {"level": level.lower(), "logger": logger, "message": escaped(message)}
        opening |= {name: _printable(value) for name, value in {**in_message, **fields}.items()}
        return _json(opening)[1:-1]

    def line(self, time_s: float, opening: str, fields: OwnFields) -> str:
        """The object with this beginning."""
        rest = f",{_json(fields)[1:]}" if fields else "}"
        return f'{{"time":"{self._times.text(time_s)}Z",{opening}{rest}'


LineFormat: TypeAlias = TextFormat | JsonFormat

# spec: json-logs
FORMATS: dict[LogFormat, type[LineFormat]] = {"text": TextFormat, "json": JsonFormat}


class _Times:
    """Times as text, to the millisecond. The text of the last second is cached."""

    def __init__(self, format_: str, parts: Callable[[float], time.struct_time]) -> None:
        self._format = format_
        self._parts = parts
        self._second = 0
        self._text = ""

    def text(self, time_s: float) -> str:
        second = int(time_s)
        if second != self._second:
            self._second, self._text = second, time.strftime(self._format, self._parts(second))
        return f"{self._text}{int(1000 * (time_s - second)):03d}"


def escaped(text: str) -> str:
    """The text with all unprintable characters escaped, as in a literal of Python."""
    if text.isprintable():  # the fast path of nearly all texts
        return text
    # spec: log-injection
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """The fields of a line. The id of the current request is always among them."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    if "request_id" not in fields and (request_id := current().request_id):
        return {**fields, "request_id": request_id}
    return fields


def _traceback(format_: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """The lines of the traceback, if there is one. They are escaped, since an exception may contain any text."""
    texts = []
    if record.exc_info and record.exc_info[0] is not None:
        texts.append(format_.formatException(record.exc_info))
    if record.stack_info:
        texts.append(format_.formatStack(record.stack_info))
    return [escaped(line) for text in texts for line in text.split("\n")]


def _as_text(fields: Mapping[str, object]) -> str:
    """The fields as `name=value`. Values seldom need quotes, so all of them are checked at once."""
    text = "".join([f" {name}={value}" for name, value in fields.items()])
    # with more equals signs than fields, a value only looks like two fields
    is_plain = _PLAIN_FIELDS.fullmatch(text) and text.count("=") == len(fields)
    if is_plain and _PLAIN_TYPES.issuperset(map(type, fields.values())):
        return text
    return "".join([f" {name}={_value(value)}" for name, value in fields.items()])


@lru_cache(_TEMPLATES_MAX)
def _template(names: tuple[str, ...]) -> str:
    """The fields of these names, with `%s` for each value."""
    return "".join([f" {name}=%s" for name in names])


def _value(value: object) -> str:
    """A value as text. A text that is not plain becomes a JSON string, and any other value becomes JSON."""
    if type(value) in _NUMBERS:
        return str(value)
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else _encode(escaped(value)).decode()
    return escaped(_encode(value).decode())


def _json(line: object) -> str:
    """The line as JSON with printable characters only."""
    text = _encode(line).decode()
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else unicode_escape(character) for character in text)


def _printable(value: object) -> object:
    return escaped(value) if isinstance(value, str) else value
