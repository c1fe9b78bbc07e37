"""The file: whether it is still the one that was opened, and its errors for clients and operators."""

from __future__ import annotations

import logging
import os

from penstock.telemetry import OutageLog

from .errors import UnusableFile, advice_on, means_no_room, unavailable

_log = logging.getLogger("penstock.stores.sqlite")


class FileReplaced(UnusableFile):
    """The open file was deleted, or another file has its path."""


class StoreFile:
    """The file, as the threads that write and read share it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._outage = OutageLog(_log, f"The store {path}")
        self.lacks_room = False
        """Whether a write found no room. Smaller writes may succeed meanwhile: the outage goes on."""

    def note_opened(self) -> None:
        """Remember which file was opened for writing."""
        self._identity = self._identity_now()

    def check(self) -> None:
        """Raises `FileReplaced` where the path is no longer that of the open file.

        All acknowledged changes are in the open file. No other file may replace it unnoticed.
        """
        # spec: failing-stores
        if self._identity is not None and self._identity_now() != self._identity:
            raise FileReplaced(
                "the file was deleted or replaced while the server uses it; put the same file back, or restart the "
                "server to use the file that is there now"
            )

    def note_success(self) -> None:
        """An operation has succeeded: an outage ends."""
        if not self.lacks_room:
            self._outage.succeeded()

    def note_room(self) -> None:
        """There is room for large rows again."""
        self.lacks_room = False
        self.note_success()

    def translate(self, error: Exception) -> Exception:
        """The error for the engine. Where an operator can solve the problem, it is logged, once."""
        known = advice_on(error)
        if known is None:
            return error
        status, advice = known
        self.lacks_room |= means_no_room(error)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        self._outage.failed(f"{advice} ({name})")
        return unavailable(503 if isinstance(error, FileReplaced) else status)

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - for every transaction, and a `Path` costs ten calls
        except OSError:
            return None
        return found.st_dev, found.st_ino
