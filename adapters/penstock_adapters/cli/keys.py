"""Making keys: `penstock keys new` shows an API key once, and what the settings keep of it; `keys seal` one that seals.

It knows how a key looks and where it is written: stdout has the key alone, so that it can be piped to where it belongs.
"""

from __future__ import annotations

import secrets
import sys

from penstock.settings import as_toml, make_key
from penstock_adapters.state import new_seal_key

_PREFIX = "sk-penstock-"
"""By this, people and scanners tell a key of ours from others."""
_RANDOM_BYTES = 32
"""43 characters, and nothing to guess: that is why a plain hash of it may lie in a file."""


def new_key(name: str) -> int:
    """Make a key of this name. Raises `SettingsError` for a name that no key can have."""
    key = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    entry = as_toml({"keys": [make_key(name, key, "NAME")]})
    sys.stderr.write(f"# for penstock.toml; the key itself is not shown again\n{entry}")
    sys.stdout.write(f"{key}\n")
    return 0


def seal_key() -> int:
    """Make a key that seals."""
    sys.stderr.write("# for PENSTOCK_SEAL_KEYS, or seal_keys in penstock.toml: the first key seals, all of them open\n")
    sys.stdout.write(f"{new_seal_key()}\n")
    return 0
