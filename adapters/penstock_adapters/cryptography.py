"""Sealing by the `cryptography` package: AES-256-GCM-SIV, in an envelope of this package.

It knows the cipher, the envelope and keys by their ids; it never reads what is sealed.

Nonces are random, and the machines that draw them may be copies of one another (snapshots of functions and virtual
machines). With GCM and ChaCha20-Poly1305 a repeated nonce reveals the plaintexts and allows forgeries; with GCM-SIV it
reveals only that two texts are equal. It seals 440 MB/s, which is 40 us for a long reasoning text.

Nothing is compressed: the length of a blob would then reveal repetitions in the text to an attacker who can add text to
the context and observe the network. Compression would save about half of what a client sends back.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

PREFIX = "pnsk1"
"""The prefix of a blob: its maker and version."""
_KEY_BYTES = 32
_NONCE_BYTES = 12
_ID_DIGITS = 16


class AeadSealer:
    """The sealer over keys of 32 bytes: the first seals, all of them open. Without keys, it makes one for itself.

    At the first use it makes that key and loads the package, and not before: a process that is copied before would
    have the key of its copies.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._given = keys

    @cached_property
    def _keys(self) -> dict[str, bytes]:
        # spec: pure-build
        return {_key_id(key): key for key in self._given or [os.urandom(_KEY_BYTES)]}

    @cached_property
    def _first_id(self) -> str:
        return next(iter(self._keys))

    @cached_property
    def _ciphers(self) -> dict[str, AESGCMSIV]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

        return {key_id: AESGCMSIV(key) for key_id, key in self._keys.items()}

    def seal(self, kind: str, owner: str, plaintext: bytes) -> str:
        """The text as `pnsk1.<id of the key>.<nonce and ciphertext in base64>`."""
        nonce = os.urandom(_NONCE_BYTES)
        bound = _bound(kind, owner, self._first_id)
        sealed = nonce + self._ciphers[self._first_id].encrypt(nonce, plaintext, bound)
        return f"{PREFIX}.{self._first_id}.{_encode(sealed)}"

    def open(self, kind: str, owner: str, blob: str) -> bytes | None:
        """The text; None for a blob of another maker, owner or kind, a damaged one, or one under an unknown key."""
        prefix, _, rest = blob.partition(".")
        key_id, _, encoded = rest.partition(".")
        if prefix != PREFIX or key_id not in self._keys:
            return None
        sealed = _decode(encoded)
        return None if sealed is None else self._decrypt(key_id, sealed, _bound(kind, owner, key_id))

    def _decrypt(self, key_id: str, sealed: bytes, bound: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        try:
            return self._ciphers[key_id].decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
        except (InvalidTag, ValueError):  # a blob that is too short raises ValueError
            return None


def _key_id(key: bytes) -> str:
    """The id of a key, which does not reveal the key."""
    return hashlib.sha256(b"penstock seal key id\0" + key).hexdigest()[:_ID_DIGITS]


def _bound(kind: str, owner: str, key_id: str) -> bytes:
    """The additional authenticated data of a blob: it opens only with the same values."""
    return "\0".join((PREFIX, key_id, kind, owner)).encode()


def _encode(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _decode(encoded: str) -> bytes | None:
    """The bytes; None for other text than ours in base64: every blob has exactly one form."""
    try:
        sealed = b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return sealed if _encode(sealed) == encoded else None
