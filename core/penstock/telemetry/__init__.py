"""Telemetry: a record of each request, and the sinks that get it when the request has ended.

`records` has the record, `access_log` is a sink that writes log lines, `formats` formats every line of the log, and
`stderr_log` writes it. Metrics and traces can be further sinks. No sink sees texts of a request or response, or runs
before the request has ended.
"""

from __future__ import annotations

from .access_log import log_access
from .formats import LogFormat, escaped
from .outage import OutageLog
from .records import CLIENT_LEFT, AccessRecord, Blame, Failure, Recorder, RecordSink, current, enter, leave
from .stderr_log import configure_logging, write_together
from .trace import NO_TRACE, Trace, read_trace

__all__ = [
    "CLIENT_LEFT",
    "NO_TRACE",
    "AccessRecord",
    "Blame",
    "Failure",
    "LogFormat",
    "OutageLog",
    "RecordSink",
    "Recorder",
    "Trace",
    "configure_logging",
    "current",
    "enter",
    "escaped",
    "leave",
    "log_access",
    "read_trace",
    "write_together",
]
