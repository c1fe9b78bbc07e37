"""Where the server keeps its state by default: a SQLite file in the user's state directory.

It knows the XDG Base Directory Specification, and that the file is nobody else's to read.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec.structs import replace

from penstock.settings import Settings, SettingsError


def with_store(settings: Settings) -> Settings:
    """The settings with a store: the default one where none is set. Raises `SettingsError` where it cannot be."""
    if settings.store is not None:
        return settings
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "penstock"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = error.strerror or "it failed"
        raise SettingsError("store", f"cannot make {folder}: {problem}; set --store, or --store memory://") from None
    return replace(settings, store=f"sqlite:///{folder / 'penstock.db'}")
