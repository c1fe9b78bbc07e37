"""Keys for sealing: their format.

It knows 32 bytes and how they are written as text. It does not know the cipher. Pure: random bytes come from the
caller.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence

from penstock.secrets import Secret

from .structs import SettingsError

SEAL_KEY_BYTES = 32
_FORM = "a key for sealing is 32 bytes in URL-safe base64 (43 characters), as `penstock keys seal` prints it"


def read_seal_keys(keys: Sequence[Secret], where: str) -> list[bytes]:
    """The keys as bytes. Raises `SettingsError`, whose message does not contain them."""
    return [_read(key.reveal(), where if len(keys) == 1 else f"{where}[{index}]") for index, key in enumerate(keys)]


def written_seal_key(key: bytes) -> str:
    """The text of a key."""
    return urlsafe_b64encode(key).rstrip(b"=").decode()


def _read(text: str, where: str) -> bytes:
    """Decode a key. A passphrase is refused: with one sealed text, it could be guessed."""
    text = text.rstrip("=")
    try:
        key = b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError(where, _FORM) from None
    if len(key) != SEAL_KEY_BYTES or written_seal_key(key) != text:
        raise SettingsError(where, _FORM)
    return key
