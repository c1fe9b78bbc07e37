"""The access log: a reader of records that writes one line for each request, and one for what was ignored or failed.

It knows which facts are told at which level. How a line looks, `formats` knows.
"""

from __future__ import annotations

import logging
from typing import Any

from .records import AccessRecord, Failure

_log = logging.getLogger("penstock.access")

_PROBES = frozenset({"/healthz", "/health", "/readyz", "/metrics"})
"""What machines ask every few seconds. Their lines have the level `debug`."""
_TOOL = "tools."
"""How the name of a hosted tool begins that is not there."""
_CHARS_MAX = 200
"""How much of a name is told that a client made up."""
_MESSAGE_CHARS_MAX = 500
"""How much is told of why a request failed."""
_NAMES_MAX = 32
"""How many of them are told."""
_IN_THE_LINE = ("method", "path", "status")
"""What the message says already, so that it is a field of JSON lines alone."""


def log_access(record: AccessRecord) -> None:
    """Write the lines of a record: what was ignored, what failed, and at last the request itself."""
    # spec: quiet-probes
    level = logging.DEBUG if record.path.removeprefix("/v1").rstrip("/") in _PROBES else logging.INFO
    # spec: log-of-what-is-missing
    if record.ignored:
        _log_ignored(record)
    # spec: log-of-what-is-missing
    if record.failure is not None:  # what the client has to mend is no warning
        _log_failure(record, record.failure, logging.WARNING if record.failure.status >= 500 else level)
    # spec: access-lines
    if _log.isEnabledFor(level):
        line = (record.method, record.path[:_CHARS_MAX], record.status)
        _log.log(level, "%s %s %d", *line, extra={"fields": _facts(record), "in_the_line": _IN_THE_LINE})


def _facts(record: AccessRecord) -> dict[str, Any]:
    """The facts that there are, in the order in which they are told."""
    facts: dict[str, Any] = {
        "method": record.method,
        "path": record.path[:_CHARS_MAX],
        "status": record.status,
        "response": record.response_status,
        "error": record.failure.code if record.failure else "",
        "model": record.model[:_CHARS_MAX],
        "upstream": record.upstream,
        "attempts": record.attempts if record.attempts > 1 else None,
        "duration_ms": round(record.duration_s * 1000, 2),
        "first_event_ms": None if record.first_event_s is None else round(record.first_event_s * 1000, 2),
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "key": record.key_name,
        "response_id": record.response_id,
        "request_id": record.request_id,
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _log_ignored(record: AccessRecord) -> None:
    """Absent tools have a line each, all other names one."""
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
    """A request that was refused before its response began, or a response that failed."""
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
