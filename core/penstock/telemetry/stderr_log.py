"""The log on stderr: the handler that writes it, and how it is configured.

Lines of the access log are most of all lines. They need no `LogRecord` while nothing else gets them, and those of one
turn of the event loop can be written together. It knows no event loop, and not what a line is about.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO, TypeAlias

from .formats import FORMATS, LineFormat, LogFormat, OwnFields

Later: TypeAlias = Callable[[Callable[[], None]], Any]
"""Calls a function soon, such as `call_soon` of an event loop."""

_OURS = ("penstock", "penstock_adapters")


class StderrLog(logging.StreamHandler[TextIO]):
    """Writes lines to stderr, in their order. With `later`, lines of the access log are written when it calls back."""

    later: Later | None = None

    def __init__(self, line_format: LineFormat) -> None:
        super().__init__()
        self.setFormatter(line_format)
        self.line_format = line_format
        assert self.lock is not None
        self._locked = self.lock
        self._waiting: list[str] = []
        """The lines that are not written yet."""

    def write(self, opening: str, fields: OwnFields) -> None:
        """Write a line of the access log. `opening` is its beginning, by the format of the lines."""
        line = self.line_format.line(time.time(), opening, fields)
        with self._locked:
            self._waiting.append(line)
            if self.later is None:
                self._write_waiting()
            elif len(self._waiting) == 1:
                self.later(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record at once."""
        self._write_waiting()
        super().emit(record)

    def flush(self) -> None:
        """Write all lines. `logging` calls it when the process ends, too."""
        with self._locked:
            self._write_waiting()
            super().flush()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        lines, self._waiting = "\n".join([*self._waiting, ""]), []
        with suppress(OSError, ValueError):  # stderr is closed
            self.stream.write(lines)


def configure_logging(level: str, format_: LogFormat) -> None:
    """Write all lines to stderr, in this format.

    Only our own loggers use the level: the debug lines of other libraries may contain secrets.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no format uses them
    logging.basicConfig(handlers=[StderrLog(FORMATS[format_]())], level=logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())


def only_listener(log: logging.Logger) -> StderrLog | None:
    """The log on stderr, if nothing else gets the records of this logger: no other handler, and no filter."""
    while log.parent is not None:
        if log.handlers or log.filters or not log.propagate:
            return None
        log = log.parent
    handler = log.handlers[0] if len(log.handlers) == 1 else None
    return handler if isinstance(handler, StderrLog) and not (handler.filters or handler.level) else None


def write_together(later: Later | None) -> None:
    """From now on, write lines of the access log when `later` calls back; at once where it is None."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, StderrLog):
            handler.flush()
            handler.later = later
