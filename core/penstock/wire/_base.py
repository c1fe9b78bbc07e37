"""The ground of the vocabulary: what every struct on the wire is, and the fold words.

It knows msgspec and nothing else; it never runs, decodes or folds anything itself. A fold word is data:
`penstock.transcript` is what reads it.
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

__all__ = [
    "NULL",
    "UNSET",
    "Event",
    "Fold",
    "Item",
    "ItemEvent",
    "ItemStatus",
    "Part",
    "Tool",
    "UnsetType",
    "Wire",
    "adopt",
    "append",
    "close",
    "nothing",
    "open_",
    "settle",
    "status",
]

NULL = msgspec.Raw(b"null")
"""JSON null where a field holds undecoded JSON (msgspec takes no union of `Raw` and None)."""

ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class Wire(msgspec.Struct, kw_only=True):
    """A JSON object of the Responses API. A field whose value is `UNSET` is absent from the JSON."""


class _Typed(Wire, kw_only=True, tag_field="type", tag=""):
    """An object that says what it is in its `type` key."""

    @property
    def type(self) -> str:
        """The value of the `type` key, such as `message` or `response.created`."""
        return str(self.__struct_config__.tag)


class Part(_Typed, kw_only=True, tag=""):
    """A piece of an item's content: `input_text`, `output_text` and so on."""


class Item(_Typed, kw_only=True, tag=""):
    """One entry of a request's `input` or a response's `output`."""


class Tool(_Typed, kw_only=True, tag=""):
    """One entry of `tools`: something that the model may call."""


class Fold(NamedTuple):
    """What an event does to the object that it addresses: one word, and the fields that the word is about."""

    word: Literal["append", "settle", "status", "open", "close", "adopt", "nothing"]
    names: tuple[str, ...] = ()


def append(field: str, *, source: str = "delta", extend: str | None = None) -> Fold:
    """The event's `source` is one more piece of the object's `field`; its list `extend`, if any, grows that list."""
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
