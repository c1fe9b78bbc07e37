"""The access log: a sink of records that writes a line for each request, and for what was ignored or failed.

It knows the fields and the level of each line. `formats` formats them.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, NamedTuple

from .formats import LineFormat
from .records import AccessRecord, Failure
from .stderr_log import only_listener

_log = logging.getLogger("penstock.access")

_PROBES = frozenset({"/healthz", "/health", "/livez", "/ping", "/readyz", "/metrics"})
"""Paths that machines request every few seconds. Their lines have the level `debug`."""
_TOOL = "tools."
"""The prefix of the names of ignored hosted tools."""
_CHARS_MAX = 200
"""How much of a name that a client chose is logged."""
_MESSAGE_CHARS_MAX = 500
"""How much of the message of a failed request is logged."""
_NAMES_MAX = 32
"""How many ignored names are logged."""
_OPENINGS_MAX = 256
"""The entries of the cache of the beginnings of lines."""


def log_access(record: AccessRecord) -> None:
    """Write the lines of a record: what was ignored, what failed, and then the request."""
    if record.failure is None and not record.ignored and not _log.isEnabledFor(logging.INFO):
        return
    # spec: quiet-probes
    level = logging.DEBUG if record.path.removeprefix("/v1").rstrip("/") in _PROBES else logging.INFO
    # spec: log-of-what-is-missing
    if record.ignored:
        _log_ignored(record)
    # spec: log-of-what-is-missing
    if record.failure is not None:  # an error of the client is no warning
        _log_failure(record, record.failure, logging.WARNING if record.failure.status >= 500 else level)
    # spec: access-lines
    if _log.isEnabledFor(level):
        _log_request(record, level)


class _Common(NamedTuple):
    """What many lines have in common."""

    method: str
    path: str
    status: int
    response: str
    reason: str
    error: str
    model: str
    upstream: str
    key: str

    def message(self) -> str:
        """The message."""
        return f"{self.method} {self.path} {self.status}"

    def in_message(self) -> dict[str, Any]:
        """The fields that the message contains."""
        return {"method": self.method, "path": self.path, "status": self.status}

    def fields(self) -> dict[str, Any]:
        """The other fields, in order. Empty ones are left out."""
        in_message = self.in_message()
        return {name: value for name, value in self._asdict().items() if value and name not in in_message}


def _log_request(record: AccessRecord, level: int) -> None:
    """Write the line of a request."""
    failure, response = record.failure, record.response_status
    common = _Common(
        record.method,
        record.path[:_CHARS_MAX],
        record.status,
        response,
        record.response_reason if response == "incomplete" else "",
        "" if failure is None else failure.code,
        record.model[:_CHARS_MAX],
        record.upstream,
        record.key_name,
    )
    listener = only_listener(_log)
    if listener is not None:
        listener.write(_opening(listener.line_format, level, common), _own_fields(record))
        return
    extra = {"in_message": common.in_message(), "fields": common.fields() | _own_fields(record)}
    _log.log(level, "%s", common.message(), extra=extra)


@lru_cache(_OPENINGS_MAX)
def _opening(format_: LineFormat, level: int, common: _Common) -> str:
    """The beginning of a line, which many requests have in common."""
    level_name = logging.getLevelName(level)
    return format_.opening(level_name, _log.name, common.message(), common.in_message(), common.fields())


def _own_fields(record: AccessRecord) -> dict[str, Any]:
    """The fields in which requests differ, in order: numbers and ids. Empty ones are left out."""
    fields: dict[str, Any] = {"duration_ms": _in_ms(record.duration_s)}
    if record.retries:
        fields["attempts"] = record.attempts
    if record.first_event_s is not None:
        fields["first_event_ms"] = _in_ms(record.first_event_s)
    if record.input_tokens is not None:
        fields["input_tokens"], fields["output_tokens"] = record.input_tokens, record.output_tokens
    if record.tools:
        fields["tool_calls"] = len(record.tools)
    if record.response_id:
        fields["response_id"] = record.response_id
    fields["request_id"] = record.request_id
    if record.trace.trace_id:
        fields["trace_id"] = record.trace.trace_id
    return fields


def _in_ms(time_s: float) -> float:
    return round(time_s * 1000, 2)


def _log_ignored(record: AccessRecord) -> None:
    """Write a line for each ignored hosted tool, and one line for all other ignored names."""
    if not _log.isEnabledFor(logging.INFO):
        return
    about = {"model": record.model[:_CHARS_MAX], "request_id": record.request_id}
    tools = [name for name in record.ignored if name.startswith(_TOOL)]
    others = [name[:_CHARS_MAX] for name in record.ignored if not name.startswith(_TOOL)]
    if others:
        _log.info("ignored parameters: %s", ", ".join(others[:_NAMES_MAX]), extra={"fields": about})
    for name in tools[:_NAMES_MAX]:
        _log.info("absent hosted tool: %s", name.removeprefix(_TOOL), extra={"fields": about})


def _log_failure(record: AccessRecord, failure: Failure, level: int) -> None:
    """Write the line of a request that was rejected before its response began, or of a response that failed."""
    if not _log.isEnabledFor(level):
        return
    about = {
        "code": failure.code,
        "param": failure.param,
        "status": failure.status,
        "model": record.model[:_CHARS_MAX],
        "upstream": record.upstream,
        "response_id": record.response_id,
        "request_id": record.request_id,
    }
    fields = {name: value for name, value in about.items() if value not in (None, "")}
    how = "failed" if failure.status >= 500 or record.response_status else "refused"
    message = f"{how}: {failure.message[:_MESSAGE_CHARS_MAX]}" if failure.message else how
    _log.log(level, "%s", message, extra={"fields": fields})
