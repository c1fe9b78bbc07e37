"""The port to sealing: texts that clients store for the server, and can neither read nor change.

It knows the guarantee only. An adapter chooses the cipher and has the keys.
"""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    """Seals with the newest of its keys, and opens what any of its keys has sealed.

    `kind` is the kind of text, and `owner` its owner: a text opens only with the kind and the owner that it was sealed
    with.
    """

    def seal(self, kind: str, owner: str, plaintext: bytes) -> str:
        """The sealed text, in URL-safe ASCII. Sealing a text twice gives two different results."""

    def open(self, kind: str, owner: str, blob: str) -> bytes | None:
        """The text. None for a text that was not sealed here, is damaged, has another owner or kind, or an old key."""
