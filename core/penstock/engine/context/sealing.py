"""Sealing for one owner: reasoning and compactions that clients store for the server, and requests in the store.

It knows the contents of a sealed text and its maximum length. The cipher is the business of the port's adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from penstock import json_codec
from penstock.errors import invalid
from penstock.ports import Sealer
from penstock.returned import Returned, carried
from penstock.wire import InputItem, ReasoningItem, ReasoningText, SummaryText

T = TypeVar("T")


class Thoughts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The texts of a reasoning item."""

    content: list[str] = []
    summary: list[str] = []
    returned: Returned | None = None
    """The fields that the upstream expects back with the turn that the item ends."""


class Compaction(msgspec.Struct, kw_only=True):
    """The sealed contents of a compaction item, which replaces a context.

    Clients store it, and may or may not send the earlier items too. A compaction in the course of a turn contains
    everything that stays in the context; one that a client asked for leaves out the messages of users and developers,
    which the client sends itself.
    """

    summary: str
    before: list[InputItem] | None = None
    """Items before the summary; None where the client sends the earlier messages itself."""
    after: list[InputItem] = []
    """Items after the summary: messages that the model has not answered yet."""


_SEALED = b"sealed "
"""The prefix of a sealed request in the store; JSON never begins like this."""

_decode_thoughts = msgspec.json.Decoder(Thoughts).decode
_decode_compaction = json_codec.decoder(Compaction).decode


def is_sealed(stored: bytes) -> bool:
    """Whether a stored request is sealed."""
    return stored.startswith(_SEALED)


class Seal:
    """A sealer for one owner's texts."""

    def __init__(self, sealer: Sealer, owner: str, chars_max: int) -> None:
        self._sealer = sealer
        self._owner = owner
        self.chars_max = chars_max

    def thoughts(self, item: ReasoningItem) -> str | None:
        """The texts and upstream fields of a reasoning item, sealed; None where the result would be too long."""
        content = [part.text for part in item.content or () if isinstance(part, ReasoningText)]
        summary = [part.text for part in item.summary if isinstance(part, SummaryText)]
        return self._seal("reasoning", Thoughts(content=content, summary=summary, returned=carried(item)))

    def open_thoughts(self, blob: str) -> Thoughts | None:
        """Open sealed reasoning of this owner; None for anything else."""
        return self._open("reasoning", blob, _decode_thoughts)

    def compaction(self, compaction: Compaction) -> str:
        """Seal a compaction. Raises `ApiError` where the result would be too long."""
        blob = self._seal("compaction", compaction)
        if blob is None:
            message = (
                f"The rest of the context, not compacted, is too long to be sealed in {self.chars_max} characters."
            )
            raise invalid(message, "input", "context_too_long")
        return blob

    def open_compaction(self, blob: str) -> Compaction | None:
        """Open a compaction of this owner; None for anything else."""
        return self._open("compaction", blob, _decode_compaction)

    def request(self, response_id: str, body: bytes) -> bytes:
        """Seal the body of a background request. Only the same owner can open it, and only for this response."""
        return _SEALED + self._sealer.seal(f"request of {response_id}", self._owner, body).encode()

    def open_request(self, response_id: str, stored: bytes) -> bytes | None:
        """The body; None where the key is not configured here, or the text belongs to another response."""
        blob = stored.removeprefix(_SEALED).decode("ascii", "replace")
        return self._sealer.open(f"request of {response_id}", self._owner, blob)

    def _seal(self, kind: str, content: msgspec.Struct) -> str | None:
        blob = self._sealer.seal(kind, self._owner, json_codec.encode(content))
        return blob if len(blob) <= self.chars_max else None

    def _open(self, kind: str, blob: str, decode: Callable[[bytes], T]) -> T | None:
        plaintext = self._sealer.open(kind, self._owner, blob) if len(blob) <= self.chars_max else None
        if plaintext is None:
            return None
        try:
            return decode(plaintext)
        except msgspec.DecodeError:  # a later version sealed it
            return None
