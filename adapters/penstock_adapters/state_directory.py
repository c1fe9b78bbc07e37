"""Files in the user's state directory, by default: the SQLite store, and the key for sealing.

It knows the XDG Base Directory Specification, and that only the user may read the files.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from msgspec.structs import replace

from penstock.secrets import Secret
from penstock.settings import SEAL_KEY_BYTES, Settings, SettingsError, read_seal_keys, written_seal_key

_SEAL_KEYS = "seal.keys"


def with_store(settings: Settings) -> Settings:
    """The settings with a store: the default one if none is set. Raises `SettingsError` where it cannot be made."""
    if settings.store is not None:
        return settings
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = error.strerror or "it failed"
        raise SettingsError("store", f"cannot make {folder}: {problem}; set --store, or --store memory://") from None
    return replace(settings, store=f"sqlite:///{folder / 'penstock.db'}")


def with_seal_keys(settings: Settings) -> Settings:
    """The settings with keys for sealing: if none are set, those of the state directory, made if they are missing.

    If the directory cannot be written, the key exists only while this server runs. Raises `SettingsError` for an
    existing file that cannot be used: a new key would not open what was sealed with the old one.
    """
    if settings.seal_keys or find_spec("cryptography") is None:
        return settings
    path = _folder() / _SEAL_KEYS
    keys = None
    if not path.exists():
        keys = _save_key(path, new_seal_key())
    return replace(settings, seal_keys=keys or _stored_keys(path))


def new_seal_key() -> str:
    """A new random key."""
    return written_seal_key(os.urandom(SEAL_KEY_BYTES))


def _folder() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "penstock"


def _stored_keys(path: Path) -> list[Secret]:
    """The keys of the file, one a line; the first seals."""
    try:
        lines = path.read_text("ascii").split("\n")
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _unusable(path, "it is damaged") from None
    keys = [Secret(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise _unusable(path, "there is no key in it")
    read_seal_keys(keys, str(path))
    return keys


def _unusable(path: Path, problem: str) -> SettingsError:
    message = (
        f"{problem}. Correct it, or set PENSTOCK_SEAL_KEYS; without its keys nothing that they sealed can be opened"
    )
    return SettingsError(str(path), message)


def _save_key(path: Path, key: str) -> list[Secret] | None:
    """Write the key unless there is a file. None if this or another process has written it; else the key."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _written(path.parent, f"{key}\n") as draft, suppress(FileExistsError):
            os.link(draft, path)  # complete or not at all, and never over an existing file
    except OSError as error:
        problem = f"cannot store a key in {path}: {error.strerror}"
        sys.stderr.write(f"penstock: {problem}; what is sealed now cannot be opened after a restart of the server\n")
        return [Secret(key)]
    return None


@contextmanager
def _written(folder: Path, text: str) -> Iterator[Path]:
    """A file with that text which only the user can read; it is removed afterwards."""
    handle, name = tempfile.mkstemp(prefix=f"{_SEAL_KEYS}.", dir=folder)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield Path(name)
    finally:
        Path(name).unlink()
