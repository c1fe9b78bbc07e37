"""Plain pieces: events that append to a text, and have no other content. Nearly all events are such.

It knows the classes of such events, each in a plain form that takes a quarter of the time to read. An event with
logprobs, with padding or with an unknown field is no plain piece.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Union, get_args

import msgspec

from penstock.transcript.deltas import RelayedRun
from penstock.wire import Event, StreamEvent


def _has_pieces(cls: type[Event]) -> bool:
    return cls.fold.operation == "append" and "item_id" in cls.__struct_fields__ and "delta" in cls.__struct_fields__


def _plain(cls: type[Event]) -> Any:
    """The plain form of a class. `position` has the values that are equal in all events of one text."""
    position = [field.name for field in msgspec.structs.fields(cls) if field.required and field.name != "delta"]
    fields: list[Any] = [(name, str if name == "item_id" else int) for name in position]
    fields += [("delta", str), ("sequence_number", int, -1)]
    if "logprobs" in cls.__struct_fields__:
        fields.append(("logprobs", tuple[()], ()))
    return msgspec.defstruct(
        cls.__name__,
        fields,
        namespace={
            "event_class": cls,
            "position": property(attrgetter("event_class", *position)),
            "position_fields": position,
        },
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
        self._position: tuple[Any, ...] | None = None
        self._event: Event
        """An event of the text that grew last."""

    def run(self, events: list[bytes], start: int) -> RelayedRun | None:
        """The pieces of one text that the events from `start` on begin with; None where the first is no plain piece."""
        texts: list[str] = []
        for at in range(start, len(events)):
            try:
                piece = _decode(events[at])
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                break
            # spec: relayed-runs
            if piece.position != self._position:
                if texts:
                    break
                self._begin(piece)
            texts.append(piece.delta)
        return RelayedRun(self._event, texts) if texts else None

    def _begin(self, piece: Any) -> None:
        """Another text grows from this piece on."""
        self._position = piece.position
        event_class, *values = piece.position
        self._event = event_class(**dict(zip(piece.position_fields, values, strict=True)), delta="")
