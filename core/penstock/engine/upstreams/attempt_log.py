"""The log of attempts at one upstream: what is sent to it, in outline, and what it says when it refuses or fails.

Its words are cut, and its address has no user, password or query. What is told to clients, others decide.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit, urlunsplit

from penstock.ports import HttpRequest

from .request_outline import outline

_log = logging.getLogger("penstock.upstream")

_WORDS_CHARS_MAX = 500
_CHAR_BYTES_MAX = 4
"""In UTF-8 (RFC 3629)."""
_FOR_THE_OPERATOR = frozenset({401, 403, 404, 405})
"""Refusals that no request is to blame for; they are warnings, as failures are."""


class AttemptLog:
    """What the log says of one upstream."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._base = without_secrets(url).rstrip("/")

    def sent(self, request: HttpRequest) -> None:
        """A request goes out."""
        if _log.isEnabledFor(logging.DEBUG):
            body = {"body": outline(request.body)} if request.body else {}
            fields = {**self._where(request), **body}
            _log.debug("%s to upstream %s", request.method, self._name, extra={"fields": fields})

    def refused(self, request: HttpRequest, status: int, body: bytes) -> None:
        """It was answered with a status that is no success."""
        fields = {"upstream_status": status, **self._where(request)}
        is_warning = status >= 500 or status in _FOR_THE_OPERATOR
        level = _level(request, logging.WARNING if is_warning else logging.INFO)
        _log.log(level, "upstream %s refused: %s", self._name, _words(body), extra={"fields": fields})

    def lost(self, request: HttpRequest, problem: str, cause: str = "") -> None:
        """It was not answered. The cause is what the transport's own error says."""
        level = _level(request, logging.WARNING)
        fields = {**self._where(request), **({"cause": _words(cause.encode())} if cause else {})}
        _log.log(level, "upstream %s failed: %s", self._name, problem, extra={"fields": fields})

    def _where(self, request: HttpRequest) -> dict[str, str]:
        base = self._base.removesuffix("/v1") if request.beside_v1 else self._base
        return {"upstream": self._name, "url": base + request.path.partition("?")[0]}


def _level(request: HttpRequest, level: int) -> int:
    """The level of a line; whoever asks for the list of models says what is wrong with it, again and again."""
    return logging.DEBUG if request.path == "/models" else level


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _words(body: bytes) -> str:
    """What an upstream says, on one line and cut."""
    words = " ".join(body[: _CHAR_BYTES_MAX * _WORDS_CHARS_MAX].decode(errors="replace").split())
    return words if len(words) <= _WORDS_CHARS_MAX else f"{words[:_WORDS_CHARS_MAX]}…"
