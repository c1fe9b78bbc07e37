"""Reads an upstream's error, in any shape that backends have for it.

It knows where the message may stand: in objects of any nesting, in lists, in JSON within a text, or plain. What the
error means, `upstream_replies` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

import msgspec

from penstock.patterns import lazy_pattern

from . import lenient

T = TypeVar("T")

_MESSAGE_CHARS_MAX = 2_000
_NAME_CHARS_MAX = 200
_NOTHING = ("{}", "[]", '""')
_DEPTH_MAX = 10
"""How deep an error may stand in what surrounds it."""
_STEPS_MAX = 10
"""How many steps of a location are read."""
_LIST_MAX = 5
"""How many errors of a list are read."""

_PAGE = lazy_pattern(r"<(!doctype|html|head|body|\?xml|center|h1)\b", re.IGNORECASE)
"""How a page of HTML begins: a web server wrote it, not the upstream."""

Object: TypeAlias = dict[str, Any]

_ASIDES = ("base_resp", "x_groq", "Response", "ResponseMetadata")
"""Where MiniMax, Groq, Hunyuan and Volcengine report errors, beside an answer or in place of it."""
_WRAPPERS = ("error", "errors", "fault", "exception", "err", "innererror", "cause", "Error", *_ASIDES)
_WORDS = ("message", "msg", "error_message", "errorMessage", "error_msg", "errorMsg", "Message", "detail", "status_msg")
_WORDS_OF_NEED = (
    *("messages", "faultstring", "statusMessage", "data"),
    *("details", "error_description", "reason", "title", "description", "code", "type", "status"),
)
"""The keys that are read as the message where there is no other."""
_CODES = ("code", "error_code", "errorCode")
_STATUSES = (*_CODES, "status", "status_code", "statusCode", "http_status")
_TYPES = ("type", "error_type", "errorType", "__type", "status")
_SIGNS = (
    "error",
    "Error",
    "errors",
    "fault",
    "exception",
    "detail",
    "error_message",
    "errorMessage",
    "error_msg",
    "errorMsg",
)
"""Keys that only an error has."""


_FINE = ("0", "200", "ok", "success")
"""Codes that mean success."""


class UpstreamError(msgspec.Struct, kw_only=True):
    """What is known of an error. A code that is a number stands in `status`."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | None = None
    status: int | None = None


def read_body(body: bytes) -> UpstreamError:
    """The error in the body of a reply; none in a page of HTML."""
    text = body.decode(errors="replace").strip()
    return _shortened(_read_text(text, _DEPTH_MAX))


def read_error(raw: Any) -> UpstreamError:
    """The error in decoded JSON."""
    return _shortened(_read(raw, _DEPTH_MAX))


def is_error(raw: Object) -> bool:
    """Whether an object without an answer is an error, rather than a sign of life."""
    if any(raw.get(sign) not in (None, False, "", []) for sign in _SIGNS):
        return True
    if any(is_error(raw[aside]) for aside in _ASIDES if isinstance(raw.get(aside), dict)):
        return True
    has_mark = raw.get("object") == "error" or "error" in str(raw.get("type", "")).lower()
    has_code = any(str(raw.get(code) or 0).lower() not in _FINE for code in _CODES)
    has_status = any((_status(raw.get(name)) or 0) >= 400 for name in _STATUSES)
    is_failed = has_mark or has_code or has_status or raw.get("success") is False
    return is_failed and any(raw.get(words) for words in _WORDS)


def _read(raw: Any, depth: int) -> UpstreamError:
    if depth == 0:
        return UpstreamError()
    if isinstance(raw, str):
        return _read_text(raw, depth)
    if isinstance(raw, list):
        return _read_list(raw, depth)
    if isinstance(raw, dict):
        return _read_object(raw, depth)
    return UpstreamError()


def _read_text(text: str, depth: int) -> UpstreamError:
    """Plain words, or JSON or an event of a stream in a text."""
    text = text.strip()
    if text.startswith(("data:", "event:", "id:")):
        lines = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("data:")]
        return _read_text("\n".join(lines), depth - 1) if depth else UpstreamError()
    if text.startswith(("{", "[", '"')):
        try:
            inner = _read(lenient.loads(text.encode(errors="replace")), depth - 1)
        except ValueError:
            inner = UpstreamError()
        if inner.message or text in _NOTHING:
            return inner
    return UpstreamError(message=None if _PAGE.match(text) else text or None)


def _read_list(raw: list[Any], depth: int) -> UpstreamError:
    """The first errors of a list as one, under the names of the first."""
    errors = [_read(each, depth - 1) for each in raw[:_LIST_MAX]]
    if not errors:
        return UpstreamError()
    errors[0].message = _joined([error.message for error in errors], "; ")
    return errors[0]


def _read_object(raw: Object, depth: int) -> UpstreamError:
    """An error's own message, with those of the error in it and of the provider behind a gateway."""
    # spec: error-shapes
    inner = [_read(raw[name], depth - 1) for name in _WRAPPERS if raw.get(name)]
    words = [_read(raw[name], depth - 1) for name in _WORDS if raw.get(name)][:1]
    behind = _read(_raw_of(raw), depth - 1)
    errors = [*inner, _names_of(raw), *words, behind]
    message = _joined([error.message for error in errors], ": ")
    if message is None:
        message = next(filter(None, (_read(raw.get(name), depth - 1).message for name in _WORDS_OF_NEED)), None)
    location = _location_of(raw)
    return UpstreamError(
        message=f"{location}: {message}" if location and message else message,
        type=_first(error.type for error in errors),
        param=_first(error.param for error in errors),
        code=_first(error.code for error in errors),
        status=_first(error.status for error in errors),
    )


def _names_of(raw: Object) -> UpstreamError:
    """The fields of an object, but for its message."""
    statuses = (_status(raw.get(name)) for name in _STATUSES)
    codes = (name for name in _texts(raw, _CODES) if _status(name) is None)
    return UpstreamError(
        type=_first(_texts(raw, _TYPES)),
        param=_first(_texts(raw, ("param",))),
        code=_first(codes),
        status=_first(statuses),
    )


def _raw_of(raw: Object) -> Any:
    """The error of the provider behind OpenRouter, or the text that Groq could not read as a call."""
    metadata = raw.get("metadata")
    inner = metadata if isinstance(metadata, dict) else {}
    return inner.get("raw") or inner.get("previous_errors") or raw.get("failed_generation")


def _location_of(raw: Object) -> str:
    """The path of the parameter in a validation error of FastAPI."""
    location = raw.get("loc")
    return ".".join(str(step) for step in location[:_STEPS_MAX] if step != "body") if isinstance(location, list) else ""


def _joined(messages: list[str | None], between: str) -> str | None:
    """The messages, without those that another one has in it."""
    distinct = list(dict.fromkeys(filter(None, messages)))
    apart = [each for each in distinct if not any(each != other and each in other for other in distinct)]
    return between.join(apart) or None


def _texts(raw: Object, keys: tuple[str, ...]) -> Iterator[str]:
    return (raw[key] for key in keys if raw.get(key) and isinstance(raw[key], str))


def _status(code: Any) -> int | None:
    """A number among codes, be it in a text."""
    if isinstance(code, str) and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", code):
        return int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _first(known: Iterable[T | None]) -> T | None:
    return next((each for each in known if each is not None), None)


def _shortened(error: UpstreamError) -> UpstreamError:
    for name, chars_max in (("message", _MESSAGE_CHARS_MAX), ("type", _NAME_CHARS_MAX), ("code", _NAME_CHARS_MAX)):
        if value := getattr(error, name):
            setattr(error, name, value[:chars_max])
    return error
