"""Sealing, for one owner: thoughts and compactions that the owner's clients keep for us, and requests in the store.

It knows what is within such a text, and how long one may be. Which cipher seals it, the port's adapter knows.
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
    """What a reasoning item said."""

    content: list[str] = []
    summary: list[str] = []
    returned: Returned | None = None
    """What the upstream wants back with the turn that the item ends."""


class Compaction(msgspec.Struct, kw_only=True):
    """What stands in place of a context.

    Such a text is kept by clients, which may or may not send what came before it along: one that was made in the
    course of a turn has all that goes on in it, and one that a client asked for leaves the messages of users and
    developers where the client put them.
    """

    summary: str
    before: list[InputItem] | None = None
    """What stands as it was ahead of the summary; None for those messages ahead of the item that are still there."""
    after: list[InputItem] = []
    """What stands as it was behind the summary: what the model has not answered yet."""


_SEALED = b"sealed "
"""How a stored request begins that is sealed; JSON never does."""

_decode_thoughts = msgspec.json.Decoder(Thoughts).decode
_decode_compaction = json_codec.decoder(Compaction).decode


def is_sealed(stored: bytes) -> bool:
    """Whether a stored request is sealed."""
    return stored.startswith(_SEALED)


class Seal:
    """The sealer in the hand of one owner."""

    def __init__(self, sealer: Sealer, owner: str, chars_max: int) -> None:
        self._sealer = sealer
        self._owner = owner
        self.chars_max = chars_max

    def thoughts(self, item: ReasoningItem) -> str | None:
        """The thoughts of an item, and what it carries, sealed; None where they would be too long."""
        content = [part.text for part in item.content or () if isinstance(part, ReasoningText)]
        summary = [part.text for part in item.summary if isinstance(part, SummaryText)]
        return self._seal("reasoning", Thoughts(content=content, summary=summary, returned=carried(item)))

    def open_thoughts(self, blob: str) -> Thoughts | None:
        """Thoughts that this owner has; None for anything else."""
        return self._open("reasoning", blob, _decode_thoughts)

    def compaction(self, compaction: Compaction) -> str:
        """A compaction, sealed. Raises `ApiError` where it would be too long."""
        blob = self._seal("compaction", compaction)
        if blob is None:
            message = f"What is not compacted of the context is too long to be sealed in {self.chars_max} characters."
            raise invalid(message, "input", "context_too_long")
        return blob

    def open_compaction(self, blob: str) -> Compaction | None:
        """A compaction that this owner has; None for anything else."""
        return self._open("compaction", blob, _decode_compaction)

    def request(self, response_id: str, body: bytes) -> bytes:
        """The body of a background request, for the store: it opens for this response of this owner alone."""
        return _SEALED + self._sealer.seal(f"request of {response_id}", self._owner, body).encode()

    def open_request(self, response_id: str, stored: bytes) -> bytes | None:
        """The body as it was; None where it was sealed with a key that is not here, or is not this response's."""
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
