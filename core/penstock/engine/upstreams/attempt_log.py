"""The log of attempts at one upstream: the outline of each request, and the upstream's error text.

Error texts are shortened, and URLs have no user, password or query. It does not decide what clients receive.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit, urlunsplit

from penstock.ports import HttpRequest

from .request_outline import outline

_log = logging.getLogger("penstock.upstream")

_TEXT_CHARS_MAX = 500
_CHAR_BYTES_MAX = 4
"""The longest character in UTF-8 (RFC 3629)."""
_FOR_THE_OPERATOR = frozenset({401, 403, 404, 405})
"""Rejections that are not caused by the request; like failures, they are warnings."""


class AttemptLog:
    """Logs the requests to one upstream."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._base = without_secrets(url).rstrip("/")

    def sent(self, request: HttpRequest) -> None:
        """Log that a request is sent."""
        if _log.isEnabledFor(logging.DEBUG):
            body = {"body": outline(request.body)} if request.body else {}
            fields = {**self._where(request), **body}
            _log.debug("%s to upstream %s", request.method, self._name, extra={"fields": fields})

    def refused(self, request: HttpRequest, status: int, body: bytes) -> None:
        """Log a reply with an error status."""
        fields = {"upstream_status": status, **self._where(request)}
        is_warning = status >= 500 or status in _FOR_THE_OPERATOR
        level = _level(request, logging.WARNING if is_warning else logging.INFO)
        _log.log(level, "upstream %s refused: %s", self._name, _one_line(body), extra={"fields": fields})

    def lost(self, request: HttpRequest, problem: str, cause: str = "") -> None:
        """Log a request without a reply. `cause` is the text of the transport's own error."""
        level = _level(request, logging.WARNING)
        fields = {**self._where(request), **({"cause": _one_line(cause.encode())} if cause else {})}
        _log.log(level, "upstream %s failed: %s", self._name, problem, extra={"fields": fields})

    def _where(self, request: HttpRequest) -> dict[str, str]:
        base = self._base.removesuffix("/v1") if request.beside_v1 else self._base
        return {"upstream": self._name, "url": base + request.path.partition("?")[0]}


def _level(request: HttpRequest, level: int) -> int:
    """The level of a line. The caller of `/models` logs its failures itself."""
    return logging.DEBUG if request.path == "/models" else level


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment."""
    parts = urlsplit(url)
    # spec: upstream-errors
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _one_line(body: bytes) -> str:
    """An upstream's text on one line, shortened."""
    text = " ".join(body[: _CHAR_BYTES_MAX * _TEXT_CHARS_MAX].decode(errors="replace").split())
    return text if len(text) <= _TEXT_CHARS_MAX else f"{text[:_TEXT_CHARS_MAX]}…"
