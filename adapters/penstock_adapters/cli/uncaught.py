"""Lines of the log for what Python writes to stderr by itself: warnings, and exceptions that nothing catches.

It knows Python's hooks. Python's own form of them has several lines, and none is JSON.
"""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

_log = logging.getLogger("penstock.uncaught")


def log_uncaught() -> None:
    """From now on write them to the log of this process, and of processes that it forks."""
    logging.captureWarnings(True)
    sys.excepthook = _exception
    sys.unraisablehook = _ignored
    threading.excepthook = _of_thread


def _exception(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """An exception that ends the process."""
    _log.critical("an exception ends the process", exc_info=(kind, error, traceback))


def _of_thread(arguments: threading.ExceptHookArgs) -> None:
    """An exception that ends a thread."""
    name = arguments.thread.name if arguments.thread else "?"
    error = arguments.exc_value or arguments.exc_type()
    _log.error("an exception ends the thread %s", name, exc_info=error)


def _ignored(arguments: sys.UnraisableHookArgs) -> None:
    """An exception that has no caller, as that of a finalizer."""
    message = arguments.err_msg or "Exception ignored in"
    error = arguments.exc_value or arguments.exc_type()
    _log.error("%s: %r", message, arguments.object, exc_info=error)
