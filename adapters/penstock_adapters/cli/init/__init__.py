"""Setting up clients: `penstock init CLIENT` writes the configuration that a client needs to use this server.

It knows how files are read, written and backed up. `clients` has the values for each client; `merging` merges them into
a file.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from penstock.settings import CLIENT_KEY_VARIABLE, Settings, SettingsError

from .clients import CLIENTS, Client, ClientFile
from .merging import merged

__all__ = ["CLIENTS", "init"]


def init(name: str, settings: Settings, *, prints: bool) -> int:
    """Write the client's files, or print them. Nothing is written unless every file can be merged.

    Raises `SettingsError` for a file that cannot be read, merged or written.
    """
    client = CLIENTS[name](settings)
    files = [(file.path, *_texts(file)) for file in client.files]
    for path, before, after in files:
        if prints or before == after:
            sys.stderr.write(f"# {path}: {_state(before, after)}\n")
        if prints:
            sys.stdout.write(after)
        elif before != after:
            _replace(path, after)
    sys.stdout.write("".join(f"{line}\n" for line in client.lines))
    _explain(client, settings)
    return 0


def _state(before: str | None, after: str) -> str:
    return "new" if before is None else "nothing changes" if before == after else "merged"


def _explain(client: Client, settings: Settings) -> None:
    for line in client.usage:
        sys.stderr.write(f"# {line}\n")
    if settings.has_keys:
        sys.stderr.write(f"# The client's API key belongs in the variable {CLIENT_KEY_VARIABLE}.\n")


def _texts(file: ClientFile) -> tuple[str | None, str]:
    """The current text of the file, or None, and its new text."""
    before = None
    with suppress(FileNotFoundError):
        try:
            before = file.path.read_bytes().decode()
        except (PermissionError, IsADirectoryError, UnicodeDecodeError) as error:
            raise SettingsError(str(file.path), f"cannot be read: {error}") from None
    return before, merged(before or "", file.path, file.values, file.defaults)


def _replace(path: Path, text: str) -> None:
    """Write a file completely or not at all, with a backup of its previous text."""
    target = path.resolve()  # the target of a symbolic link is replaced, not the link
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # spec: init-merges
        backup = _back_up(target) if target.exists() else None
        handle, draft = tempfile.mkstemp(prefix=f"{target.name}.", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if backup:
            shutil.copymode(backup, draft)
        Path(draft).replace(target)
    except OSError as error:
        raise SettingsError(str(path), f"cannot be written: {error.strerror}") from None
    sys.stderr.write(f"# wrote {path}{f', and a backup to {backup}' if backup else ''}\n")


def _back_up(path: Path) -> Path:
    """Copy the file to an unused name beside it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (path.with_name(f"{path.name}.{stamp}{count}.bak") for count in ("", *(f"-{n}" for n in range(1, 100))))
    backup = next(name for name in names if not name.exists())
    shutil.copy2(path, backup)
    return backup
