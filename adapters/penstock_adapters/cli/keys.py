"""Making keys: `penstock keys new` prints an API key once, and its entry for the settings; `keys seal` a sealing key.

It knows the form of a key and where it is written: stdout has only the key, so that it can be piped.
"""

from __future__ import annotations

import secrets
import sys

from penstock.settings import as_toml, make_key
from penstock_adapters.state_directory import new_seal_key

_PREFIX = "sk-penstock-"
"""By this prefix people and scanners recognize a key of this server."""
_RANDOM_BYTES = 32
"""43 characters that cannot be guessed: that is why a file may have a plain hash of it."""


def new_key(name: str) -> int:
    """Make a key of this name. Raises `SettingsError` for a name that is not allowed."""
    key = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    entry = as_toml({"keys": [make_key(name, key, "NAME")]})
    sys.stderr.write(f"# for penstock.toml; the key itself is not printed again\n{entry}")
    sys.stdout.write(f"{key}\n")
    return 0


def seal_key() -> int:
    """Make a key for sealing."""
    sys.stderr.write("# for PENSTOCK_SEAL_KEYS, or seal_keys in penstock.toml: the first key seals, all of them open\n")
    sys.stdout.write(f"{new_seal_key()}\n")
    return 0
