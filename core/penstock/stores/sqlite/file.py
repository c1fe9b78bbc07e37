"""The file itself: whether it is still the one that was opened, and what its failures mean to clients and operators."""

from __future__ import annotations

import logging
import os

from penstock.telemetry import OutageLog

from .errors import Unusable, advice_on, unavailable

_log = logging.getLogger("penstock.stores.sqlite")


class Replaced(Unusable):
    """The path leads to another file than the one that is open, or to none."""


class StoreFile:
    """One file of the disk, as the threads that write and read share it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._outage = OutageLog(_log, f"The store {path}")

    def opened(self) -> None:
        """The file was opened for writing, for the first time or again."""
        self._identity = self._identity_now()

    def check(self) -> None:
        """Raises `Replaced` where the path no longer leads to the file that was opened.

        What was acknowledged is in the open file. Neither another file nor a new one may take its place unnoticed.
        """
        # spec: failing-stores
        if self._identity is not None and self._identity_now() != self._identity:
            raise Replaced(
                "the file was deleted or replaced while the server uses it; put the same file back, or restart the "
                "server to use what is there now"
            )

    def worked(self) -> None:
        """An operation has succeeded."""
        self._outage.worked()

    def blame(self, error: Exception) -> Exception:
        """The error as the engine is to see it. What is an operator's business is logged, once."""
        known = advice_on(error)
        if known is None:
            return error
        status, advice = known
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        self._outage.failed(f"{advice} ({name})")
        return unavailable(503 if isinstance(error, Replaced) else status)

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - for every transaction, and a `Path` costs ten calls
        except OSError:
            return None
        return found.st_dev, found.st_ino
