"""The settings of this process: flags, `PENSTOCK_…` variables, and the file `penstock.toml`.

It reads the environment and the file; `penstock.settings` knows their meaning.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from penstock.settings import ConfigFile, Settings, SettingsError, load

_FILE = "penstock.toml"


def read_settings(flags: Mapping[str, str] = {}, config: str | None = None) -> Settings:
    """The settings; `config` is the file that a flag names. Raises `SettingsError`."""
    return load(flags, os.environ, _config_file(config))


def _config_file(flag: str | None) -> ConfigFile | None:
    """The file that a flag or variable names, or else `penstock.toml`, which may be missing."""
    named = flag or os.environ.get("PENSTOCK_CONFIG")
    path = Path(named or _FILE)
    try:
        return ConfigFile(str(path), path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        if not named and isinstance(error, FileNotFoundError):
            return None
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        where = "--config" if flag else "PENSTOCK_CONFIG" if named else _FILE
        raise SettingsError(where, f"cannot read {path}: {problem}") from None
