"""The base classes of the wire format, and the fold rules of events.

It knows msgspec only. Of an unknown object it decodes the `type` and no more. A fold rule is data:
`penstock.transcript` applies it.
"""

from collections.abc import Callable
from itertools import repeat
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
"""JSON null in a field that holds undecoded JSON (msgspec has no union of `Raw` and None)."""


UNKNOWN = "$unknown"
"""The key of unknown fields, and the tag of unknown types. Only structs have it, never JSON that is sent."""

ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]


null: Callable[[], msgspec.Raw] = repeat(NULL).__next__
"""A factory of `NULL`, for fields with undecoded JSON: msgspec's JSON schemas cannot show it as a plain default. It is
called for each such field of each request, so it is not a function of Python."""


_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Unknown:
    """The fields of an object that its struct does not declare, undecoded. There is always at least one.

    It is neither a struct nor a dictionary, so that msgspec cannot decode or encode it: no JSON can create one, and an
    encoder that would lose or leak it raises an error. `penstock.json_codec` does both. It stores its JSON, which takes
    less memory than a dictionary of a few keys.
    """

    __slots__ = ("json",)

    def __init__(self, fields: dict[str, msgspec.Raw] | str) -> None:
        """`fields` may be their JSON: an object without spaces around it."""
        self.json = fields if isinstance(fields, str) else _encode(fields).decode()

    @property
    def fields(self) -> dict[str, msgspec.Raw]:
        """The keys and their values, in a new dictionary."""
        return _decode_fields(self.json)

    @property
    def type(self) -> str:
        """The value of the `type` key of an object of an unknown type."""
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
    """An object with a `type` key."""

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
    """The prefix of ids that are generated for items of this family."""

    def long_form(self) -> Self:
        """The item as lists contain it: fields that a client may leave out are filled in."""
        return self


class Tool(_Typed, kw_only=True, tag=""):
    """One entry of `tools`: something that the model may call."""


class Fold(NamedTuple):
    """How an event changes the object that it addresses: an operation, and the fields that it applies to."""

    operation: Literal["append", "settle", "status", "open", "close", "adopt", "nothing"]
    names: tuple[str, ...] = ()


def append(field: str, *, source: str = "delta", extend: str | None = None) -> Fold:
    """Append the event's `source` to the object's `field`, and the event's list `extend`, if any, to the object's.

    A dot separates nested fields: `action.commands`.
    """
    return Fold("append", (field, source) if extend is None else (field, source, extend))


def settle(*fields: str) -> Fold:
    """Set the object's `fields` to the final values that the event contains."""
    return Fold("settle", fields)


def status(value: str) -> Fold:
    """Set the object's `status` to `value`."""
    return Fold("status", (value,))


def open_(field: str) -> Fold:
    """Add the event's `field`, a new object, at the index in the event. Later events may change it."""
    return Fold("open", (field,))


def close(field: str) -> Fold:
    """Replace the object at the index in the event by the event's `field`, its final form."""
    return Fold("close", (field,))


def adopt() -> Fold:
    """Take over the Response that the event contains."""
    return Fold("adopt")


def nothing() -> Fold:
    """Change no object."""
    return Fold("nothing")


class Event(_Typed, kw_only=True, tag=""):
    """One streaming event. `sequence_number` is -1 until `Transcript.record` numbers the event."""

    fold: ClassVar[Fold]

    sequence_number: int = -1


class ItemEvent(Event, kw_only=True, tag=""):
    """An event about one output item."""

    item_id: str
    output_index: int
