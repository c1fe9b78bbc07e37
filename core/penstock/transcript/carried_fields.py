"""What the items of a response carry for later turns, as it is collected while the upstream writes them.

It knows the items by their ids and places. What a field means, only the dialect of its upstream knows.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from penstock.ids import NewId
from penstock.returned import Returned, carry
from penstock.wire import ContentPart, ReasoningItem

from .deltas import Extras
from .item_writers import SealReasoning
from .transcript import Transcript


class CarriedFields(msgspec.Struct):
    """The fields that the upstream needs back, and the replies to hosted calls."""

    _transcript: Transcript
    call_indexes: dict[str, int] = {}
    """The index of each call of the turn, by the id that it has in later turns."""
    _extras: list[Extras] = []
    """The upstream's fields of the turn."""
    _carried: dict[str, Returned] = {}
    """What items carry, by their ids."""

    def add(self, extras: Extras) -> int:
        """Add the upstream's fields. Returns their size in bytes."""
        self._extras.append(extras)
        groups = (extras.turn, *extras.calls.values(), *extras.items.values())
        return sum(len(memoryview(value)) for fields in groups for value in fields.values())

    def add_reply(self, item_id: str, reply: str | list[ContentPart], last_source: int) -> None:
        """Add what the model reads of a hosted call."""
        self._carry(item_id, Returned(reply=reply, last_source=last_source))

    def end_turn(self) -> None:
        """The model has ended a turn that another one follows in this response."""
        self.returned()
        if self._transcript.output_count:
            self._carry(self._last_id(), Returned(ends_turn=True))
        self._extras.clear()
        self.call_indexes.clear()

    def returned(self) -> dict[str, Returned]:
        """What items carry, by their ids, at the end of a turn."""
        for extras in self._extras:
            for item_id, fields in extras.items.items():
                self._carry(item_id, Returned(origin=extras.origin, item=fields))
            if (turn := self._with_turn(extras)) and self._transcript.output_count:
                self._carry(self._last_id(), turn)
        return self._carried

    def sealed(self, seal: SealReasoning, new_id: NewId) -> Iterator[ReasoningItem]:
        """Empty reasoning items with the sealed fields, for a client that stores its turns itself."""
        for extras in self._extras:
            item = ReasoningItem(id=new_id(ReasoningItem.id_prefix), status="completed", summary=[], content=[])
            if (turn := self._with_turn(extras)) and (text := seal(carry(item, turn))):
                yield replace(item, encrypted_content=text)

    def _with_turn(self, extras: Extras) -> Returned | None:
        """The fields to return with the turn, with those of its calls by their ids."""
        calls = {call_id: extras.calls[index] for call_id, index in self.call_indexes.items() if index in extras.calls}
        return Returned(origin=extras.origin, turn=extras.turn, calls=calls) if extras.turn or calls else None

    def _last_id(self) -> str:
        return str(self._transcript.item(self._transcript.output_count - 1).id)

    def _carry(self, item_id: str, new: Returned) -> None:
        known = self._carried.get(item_id)
        if known is not None:
            new = replace(
                new if new.origin else known,
                item={**known.item, **new.item},
                reply=known.reply or new.reply,
                last_source=known.last_source or new.last_source,
                ends_turn=known.ends_turn or new.ends_turn,
            )
        self._carried[item_id] = new
