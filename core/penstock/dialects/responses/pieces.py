"""The plain piece: an event by which a text grows, and which says nothing else. Nearly every event is one.

It knows the classes of such events, each in a plain form that takes a quarter of the time to read. An event with
logprobs, with padding or with an unknown field is no plain piece.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Union, get_args

import msgspec

from penstock.transcript.deltas import Delta, RelayedRun
from penstock.wire import Event, StreamEvent


def _has_pieces(cls: type[Event]) -> bool:
    return cls.fold.word == "append" and "item_id" in cls.__struct_fields__ and "delta" in cls.__struct_fields__


def _plain(cls: type[Event]) -> Any:
    """The plain form of a class: `place` has all that is alike in the events of one text."""
    place = [field.name for field in msgspec.structs.fields(cls) if field.required and field.name != "delta"]
    fields: list[Any] = [(name, str if name == "item_id" else int) for name in place]
    fields += [("delta", str), ("sequence_number", int, -1)]
    if "logprobs" in cls.__struct_fields__:
        fields.append(("logprobs", tuple[()], ()))
    return msgspec.defstruct(
        cls.__name__,
        fields,
        namespace={"event_class": cls, "place": property(attrgetter("event_class", *place)), "place_fields": place},
        tag_field="type",
        tag=cls.__struct_config__.tag,
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


_PLAIN = [_plain(cls) for cls in get_args(StreamEvent) if _has_pieces(cls)]
_decode = msgspec.json.Decoder(Union[tuple(_PLAIN)]).decode  # noqa: UP007 - they are no literals


class PieceReader:
    """Reads the plain pieces of one stream."""

    def __init__(self) -> None:
        self._place: tuple[Any, ...] | None = None
        self._event: Event
        """What stands for the events of the text that grew last."""

    def read(self, data: bytes, out: list[Delta]) -> bool:
        """Add a piece to the run with which the deltas end, or to a new one. False for what is no plain piece."""
        try:
            piece = _decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        place = piece.place
        if place != self._place:
            self._place = place
            event_class, *where = place
            self._event = event_class(**dict(zip(piece.place_fields, where, strict=True)), delta="")
        run = out[-1] if out else None
        if isinstance(run, RelayedRun) and run.event is self._event:
            run.texts.append(piece.delta)
        else:
            out.append(RelayedRun(self._event, [piece.delta]))
        return True
