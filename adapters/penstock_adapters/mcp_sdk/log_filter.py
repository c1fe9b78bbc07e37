"""The logs of the SDK contain URLs, session ids and messages, which may be secret: those of our calls are dropped.

What matters of a call is its error, which this package reports. The logs of an app that uses the SDK itself stay.
"""

from __future__ import annotations

import logging

from .exchange import CURRENT

_PACKAGES = ("mcp", "httpx2", "httpcore2", "client")
"""The first part of the names of the loggers. The SDK has one that is named `client`."""


class _NotOurCalls(logging.Filter):
    """Passes records that do not belong to a call of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        return CURRENT.get() is None


def drop_logs() -> None:
    """Drop what the loggers of the imported modules report of our calls."""
    not_our_calls = _NotOurCalls()
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _PACKAGES:
            logging.getLogger(name).addFilter(not_our_calls)
