"""The port to sealing: texts that clients keep for us, and can neither read nor change.

It knows the promise alone; which cipher keeps it, and which keys, an adapter says.
"""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    """Seals under the newest of its keys, and opens what any of them has sealed.

    `kind` says what the text is, `owner` whose it is: what was sealed as one kind or for one owner opens as no other.
    """

    def seal(self, kind: str, owner: str, plaintext: bytes) -> str:
        """The text as a blob of URL-safe ASCII; twice the same text makes two blobs."""

    def open(self, kind: str, owner: str, blob: str) -> bytes | None:
        """The text; None for what is not ours, not whole, of another owner or kind, or under a key that is gone."""
