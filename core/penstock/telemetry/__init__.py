"""Telemetry: what is known of each request when it has ended, and those who read it.

`records` has the facts, `access_log` is a reader that writes lines, `formats` is the form of every line of the log.
Metrics and traces are further readers. None of them sees what was said, and none of them runs while a request does.
"""

from __future__ import annotations

from .access_log import log_access
from .formats import LogFormat, configure_logging, escaped
from .outage import OutageLog
from .records import CLIENT_LEFT, AccessRecord, Failure, Reader, Recorder, current, enter, leave

__all__ = [
    "CLIENT_LEFT",
    "AccessRecord",
    "Failure",
    "LogFormat",
    "OutageLog",
    "Reader",
    "Recorder",
    "configure_logging",
    "current",
    "enter",
    "escaped",
    "leave",
    "log_access",
]
