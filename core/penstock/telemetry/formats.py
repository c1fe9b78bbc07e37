"""The form of every line of the log: text for people, or one JSON object a line for machines.

A line may hold what a client or an upstream made up. So all characters that cannot be printed are escaped: nothing that
is sent can begin a line of its own, or steer a terminal.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from .records import current

LogFormat: TypeAlias = Literal["text", "json"]

_encode = msgspec.json.Encoder(enc_hook=str).encode

_OURS = ("penstock", "penstock_adapters")
_PLAIN = re.compile(r"[!#-<>-\[\]-~]+")
"""A value that stands without quotes: letters, digits and signs, but no space, quote, backslash or equals sign."""


def configure_logging(level: str, form: LogFormat) -> None:
    """Write all lines to stderr in this form.

    Only our own loggers follow the level: what others log when they debug may hold secrets.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line has them
    handler = logging.StreamHandler()
    handler.setFormatter(_FORMATS[form]())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())


class TextFormat(logging.Formatter):
    """A line for people: the message, and behind it the fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = _Seconds("%Y-%m-%d %H:%M:%S", time.localtime)

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the lines of a traceback indented below it."""
        said = getattr(record, "in_the_line", ())
        fields = "".join(f" {name}={_value(value)}" for name, value in _fields(record).items() if name not in said)
        moment = f"{self._seconds.written(record.created)},{int(record.msecs):03d}"
        head = f"{moment} {record.levelname} {record.name}: "
        return "\n  ".join([f"{head}{escaped(record.getMessage())}{fields}", *_traceback(self, record)])


class JsonFormat(logging.Formatter):
    """A line for machines: one JSON object."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = _Seconds("%Y-%m-%dT%H:%M:%S", time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The object, with the traceback in it."""
        line: dict[str, object] = {
            "time": f"{self._seconds.written(record.created)}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": escaped(record.getMessage()),
        }
        line |= {name: _printable(value) for name, value in _fields(record).items()}
        if traceback := _traceback(self, record):
            line["traceback"] = "\n".join(traceback)
        return _json(line)


# spec: json-logs
_FORMATS: dict[LogFormat, type[logging.Formatter]] = {"text": TextFormat, "json": JsonFormat}


class _Seconds:
    """Times to the second as text: each second is written once."""

    def __init__(self, form: str, parts: Callable[[float], time.struct_time]) -> None:
        self._form = form
        self._parts = parts
        self._last = (0, "")

    def written(self, moment: float) -> str:
        second = int(moment)
        if second != self._last[0]:
            self._last = (second, time.strftime(self._form, self._parts(second)))
        return self._last[1]


def escaped(text: str) -> str:
    """The text with whatever cannot be printed as Python writes it in a literal."""
    if text.isprintable():  # nearly always
        return text
    # spec: log-injection
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """What a line tells beside its message; the id of the request that is worked for is told in any case."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    if "request_id" not in fields and (request_id := current().request_id):
        return {**fields, "request_id": request_id}
    return fields


def _traceback(form: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """The lines of the traceback, if there is one. The text of an exception may hold anything."""
    texts = []
    if record.exc_info and record.exc_info[0] is not None:
        texts.append(form.formatException(record.exc_info))
    if record.stack_info:
        texts.append(form.formatStack(record.stack_info))
    return [escaped(line) for text in texts for line in text.split("\n")]


def _value(value: object) -> str:
    """A value as text: a JSON string where it would be mistaken for more than one, JSON where it is no text."""
    if type(value) in (int, float):
        return str(value)
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else _encode(escaped(value)).decode()
    return escaped(_encode(value).decode())


def _json(line: object) -> str:
    """The line as JSON in which every character can be printed."""
    text = _encode(line).decode()
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _unicode_escape(sign) for sign in text)


def _unicode_escape(sign: str) -> str:
    """The character as JSON escapes it, which is in units of UTF-16."""
    units = sign.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _printable(value: object) -> object:
    return escaped(value) if isinstance(value, str) else value
