"""The access log: a sink of records that writes a line for each request, and for what was ignored or failed.

It knows the fields and the level of each line. `formats` formats them.
"""

from __future__ import annotations

import logging
from typing import Any

from .records import AccessRecord, Failure

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
        method, path, status = record.method, record.path[:_CHARS_MAX], record.status
        # `Logger.log` would look for the file and line of the caller, which no format shows
        line = logging.LogRecord(_log.name, level, "", 0, "%s %s %d", (method, path, status), None)
        line.fields = _facts(record)
        line.in_message = {"method": method, "path": path, "status": status}
        _log.handle(line)


def _facts(record: AccessRecord) -> dict[str, Any]:
    """The fields of a line, in order. Empty ones are left out."""
    facts: dict[str, Any] = {
        "response": record.response_status,
        "reason": record.response_reason if record.response_status == "incomplete" else "",
        "error": record.failure.code if record.failure else "",
        "model": record.model[:_CHARS_MAX],
        "upstream": record.upstream,
        "attempts": record.attempts if record.retries else None,
        "duration_ms": round(record.duration_s * 1000, 2),
        "first_event_ms": None if record.first_event_s is None else round(record.first_event_s * 1000, 2),
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "tool_calls": len(record.tools) or None,
        "key": record.key_name,
        "response_id": record.response_id,
        "request_id": record.request_id,
        "trace_id": record.trace.trace_id,
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


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
