"""The ground of the vocabulary: what every struct on the wire is, and the fold words.

It knows msgspec and nothing else; it never runs or folds anything itself, and decodes no more than the `type` of what
is unknown. A fold word is data: `penstock.transcript` is what reads it.
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, Self, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

__all__ = [
    "NULL",
    "UNKNOWN",
    "UNSET",
    "Event",
    "Fold",
    "Item",
    "ItemEvent",
    "ItemStatus",
    "Part",
    "Tool",
    "Unknown",
    "UnsetType",
    "Wire",
    "adopt",
    "append",
    "close",
    "nothing",
    "null",
    "open_",
    "settle",
    "status",
]

NULL = msgspec.Raw(b"null")
"""JSON null where a field holds undecoded JSON (msgspec takes no union of `Raw` and None)."""


UNKNOWN = "$unknown"
"""The key, and the tag, of what nobody here knows. It stands in structs alone, never in JSON that is sent."""

ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]


def null() -> msgspec.Raw:
    """The default of a field that holds undecoded JSON; as a value, msgspec could not tell it in a schema."""
    return NULL


_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Unknown:
    """The keys of an object that its struct has no field for, undecoded; never none.

    It is no struct and no dictionary on purpose: msgspec neither reads nor writes it by itself, so that no JSON can
    bring one in, and an encoder which would lose or leak it fails. `penstock.json_codec` does both. It holds its JSON,
    which takes less memory than a dictionary of a few keys.
    """

    __slots__ = ("json",)

    def __init__(self, fields: dict[str, msgspec.Raw] | str) -> None:
        """`fields` may be the JSON of them, an object without spaces around it."""
        self.json = fields if isinstance(fields, str) else _encode(fields).decode()

    @property
    def fields(self) -> dict[str, msgspec.Raw]:
        """The keys and their values; a dictionary of the caller's own."""
        return _decode_fields(self.json)

    @property
    def type(self) -> str:
        """What an object of no known type calls itself."""
        return msgspec.json.decode(self.fields["type"], type=str)

    def __repr__(self) -> str:
        return f"Unknown({', '.join(self.fields)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown) and other.fields == self.fields

    __hash__ = None  # type: ignore[assignment]


# spec: numbers
class Wire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A JSON object of the Responses API. A field whose value is `UNSET` is absent from the JSON."""

    unknown: Unknown | UnsetType = msgspec.field(default=UNSET, name=UNKNOWN)


class _Typed(Wire, kw_only=True, tag_field="type", tag=""):
    """An object that says what it is in its `type` key."""

    @property
    def type(self) -> str:
        """The value of the `type` key, such as `message` or `response.created`."""
        tag = self.__struct_config__.tag
        return self.unknown.type if tag == UNKNOWN and self.unknown else str(tag)


class Part(_Typed, kw_only=True, tag=""):
    """A piece of an item's content: `input_text`, `output_text` and so on."""


class Item(_Typed, kw_only=True, tag=""):
    """One entry of a request's `input` or a response's `output`."""

    id_prefix: ClassVar[str] = "item_"
    """How an id begins that is made for an item of this family."""

    def long_form(self) -> Self:
        """The form in which an item is listed: what a client may leave out is filled in."""
        return self


class Tool(_Typed, kw_only=True, tag=""):
    """One entry of `tools`: something that the model may call."""


class Fold(NamedTuple):
    """What an event does to the object that it addresses: one word, and the fields that the word is about."""

    word: Literal["append", "settle", "status", "open", "close", "adopt", "nothing"]
    names: tuple[str, ...] = ()


def append(field: str, *, source: str = "delta", extend: str | None = None) -> Fold:
    """The event's `source` is one more piece of the object's `field`; its list `extend`, if any, grows that list.

    A dot leads into a field: `action.commands`.
    """
    return Fold("append", (field, source) if extend is None else (field, source, extend))


def settle(*fields: str) -> Fold:
    """The event carries the final value of the object's `fields`."""
    return Fold("settle", fields)


def status(value: str) -> Fold:
    """The object's `status` becomes `value`."""
    return Fold("status", (value,))


def open_(field: str) -> Fold:
    """The event's `field` is a new object that stands at the index which the event names, and may grow."""
    return Fold("open", (field,))


def close(field: str) -> Fold:
    """The event's `field` is the object at that index in its final form."""
    return Fold("close", (field,))


def adopt() -> Fold:
    """The event carries the whole Response."""
    return Fold("adopt")


def nothing() -> Fold:
    """The event changes no object: it only tells."""
    return Fold("nothing")


class Event(_Typed, kw_only=True, tag=""):
    """One server-sent event. `sequence_number` is -1 until `Transcript.record` gives it its number."""

    fold: ClassVar[Fold]

    sequence_number: int = -1


class ItemEvent(Event, kw_only=True, tag=""):
    """An event about one output item."""

    item_id: str
    output_index: int
