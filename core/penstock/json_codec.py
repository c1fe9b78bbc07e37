"""JSON in and out of structs without loss: what nobody here knows goes through unchanged.

It knows the types of structs, and moves the keys that a struct has no field for into its `unknown`, and back. It never
looks into what a client or upstream may write as it likes: a JSON schema, metadata, any field that stays undecoded.

Reading is msgspec's own strict decoding, and so is what it costs; only where that meets a stranger, the JSON is walked
beside the types once. The strangers of each object then stand in it as one text, under a key that strict decoding
takes from nobody. Writing is msgspec's own encoding. It puts the strangers behind a byte that is in no UTF-8, so that
looking for this byte tells whether there are any, and taking out the mark makes them keys of their object again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, inspect

from penstock.wire import UNKNOWN, Unknown

T = TypeVar("T")
B = TypeVar("B", bytes, bytearray)
Read: TypeAlias = Callable[[bytes | Raw], T]

_MARK = b"\xff"
_MARKED = b'"$unknown":\xff,'
_TAGGED = b'"type":"$unknown",' + _MARKED
_TAG = Raw(b'"$unknown"')
_NO_TYPE = "missing required field `type`"

_fields_of = msgspec.json.Decoder(dict[str, Raw]).decode
_entries_of = msgspec.json.Decoder(list[Raw]).decode
_text_of = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def _mark(value: Any) -> Raw:
    """The strangers of an object as the encoder writes them. Raises `TypeError` for what is no JSON at all."""
    if not isinstance(value, Unknown):
        raise TypeError(f"{type(value).__name__} is not JSON")
    return Raw(b"%b,%b" % (_MARK, value.json[1:-1].encode()))


_encoder = msgspec.json.Encoder(enc_hook=_mark)
encode_into = _encoder.encode_into
"""Encode a value behind what is in a buffer already; `unmarked` ends it."""


def encode(value: Any) -> bytes:
    """The JSON of a struct, or of anything that holds structs; whatever they were read with is in it again."""
    return unmarked(_encoder.encode(value))


def encoded(value: Any) -> Raw:
    """The JSON of a value, to be stored: a copy, since the bytes of an encoder have room to grow by a half."""
    return Raw(bytes(memoryview(encode(value))))


def unmarked(text: B) -> B:
    """Encoded JSON with every stranger in its place."""
    return text if text.find(_MARK) < 0 else text.replace(_TAGGED, b"").replace(_MARKED, b"")


def one_line(data: bytes) -> bytes:
    """JSON without line breaks: what stays undecoded must fit on one line of an event."""
    return msgspec.json.format(data, indent=-1) if b"\n" in data or b"\r" in data else data


class Decoder(Generic[T]):
    """Reads JSON as one type. Raises what msgspec raises, by the place in the JSON as it was sent.

    `lenient` is for what an upstream sends: what is of a known type and yet not as that type should be, a newer value
    of an enumeration say, is taken for unknown as well. A client is told of its mistakes instead.
    """

    def __init__(self, kind: Any, *, lenient: bool = False) -> None:
        self._kind = kind
        self._lenient = lenient

    def decode(self, data: bytes, before_walk: Callable[[], None] | None = None) -> T:
        """The value; `before_walk` is called where the JSON is walked, which costs something for every value."""
        if self._lenient:
            data = one_line(data)
        try:
            return self._strict(data)
        except msgspec.ValidationError as error:
            if _NO_TYPE in str(error) and not self._lenient:
                raise
        if before_walk is not None:
            before_walk()
        whole = Raw(data.strip())
        try:
            return self._slow(_walked(whole, self._shape, lenient=False))
        except msgspec.ValidationError:
            if not self._lenient:
                raise
        return self._slow(_walked(whole, self._shape, lenient=True))

    @cached_property
    def _strict(self) -> Read[T]:
        """It is made at the first use: for the union of all items that takes 10 ms, and few servers need each."""
        # spec: lean-start
        return msgspec.json.Decoder(self._kind).decode

    @cached_property
    def _slow(self) -> Read[T]:
        return msgspec.json.Decoder(self._kind, dec_hook=_unpacked).decode

    @cached_property
    def _shape(self) -> _Shape:
        return _shape([inspect.type_info(self._kind)])


@cache
def decoder(kind: type[T]) -> Decoder[T]:
    """The one decoder of a struct."""
    return Decoder(kind)


def _unpacked(_: type, text: str) -> Unknown:
    return Unknown(text)


class _Object:
    """What may stand in an object of one struct: its keys, and the shape of their values where that matters."""

    def __init__(self, info: inspect.StructType) -> None:
        self._info = info
        self.is_unknown = info.tag == UNKNOWN
        self.forbids = info.forbid_unknown_fields

    @cached_property
    def keys(self) -> dict[str, _Shape | None]:
        """The shape of each key's value; None for a value without structs. The `type` of the unknown is a stranger."""
        shapes = {field.encode_name: _shape([field.type]) for field in self._info.fields}
        keys = {name: shape if shape.matters else None for name, shape in shapes.items() if name != UNKNOWN}
        return keys if self.is_unknown or not self._info.tag_field else {self._info.tag_field: None, **keys}

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Any]:
        """Tells whether an object is as its type should be."""
        return msgspec.json.Decoder(self._info.cls, dec_hook=_unpacked)


class _Shape:
    """The structs among the types that a value may have: as itself, by its `type`, or within a list or dictionary."""

    def __init__(self) -> None:
        self.entries: _Shape | None = None
        self.values: _Shape | None = None
        self.plain: _Object | None = None
        self.tagged: dict[str, _Object] = {}
        self.unknown: _Object | None = None

    @property
    def matters(self) -> bool:
        """Whether there are any."""
        return bool(self.entries or self.values or self.plain or self.tagged)

    def add(self, info: inspect.StructType) -> None:
        """One more struct."""
        if info.tag == UNKNOWN:
            self.unknown = _Object(info)
        elif info.tag_field is None:
            self.plain = _Object(info)
        else:
            self.tagged[str(info.tag)] = _Object(info)

    def choose(self, fields: dict[str, Raw]) -> _Object | None:
        """The struct of an object with these keys; None for none, or for a mistake, which the decoder will tell."""
        if self.plain is not None or "type" not in fields:
            return self.plain
        said = fields["type"]
        return self.tagged.get(_text_of(said), self.unknown) if bytes(memoryview(said)[:1]) == b'"' else None


def _shape(kinds: Iterable[inspect.Type]) -> _Shape:
    shape = _Shape()
    for kind in _flat(kinds):
        if isinstance(kind, inspect.StructType):
            shape.add(kind)
        elif isinstance(kind, inspect.ListType) and (within := _shape([kind.item_type])).matters:
            shape.entries = within
        elif isinstance(kind, inspect.DictType) and (within := _shape([kind.value_type])).matters:
            shape.values = within
    return shape


def _flat(kinds: Iterable[inspect.Type]) -> Iterator[inspect.Type]:
    """The members of every union, instead of the unions."""
    for kind in kinds:
        if isinstance(kind, inspect.UnionType):
            yield from _flat(kind.types)
        else:
            yield kind


def _walked(raw: Raw, shape: _Shape, *, lenient: bool) -> Raw:
    """The JSON with the strangers of each object packed up."""
    first = bytes(memoryview(raw)[:1])
    if first == b"[" and shape.entries is not None:
        return _raw([_walked(entry, shape.entries, lenient=lenient) for entry in _entries_of(raw)])
    if first != b"{":
        return raw
    fields = _fields_of(raw)
    if shape.values is not None:
        return _raw({name: _walked(value, shape.values, lenient=lenient) for name, value in fields.items()})
    found = shape.choose(fields)
    return raw if found is None else _object(fields, shape, found, lenient=lenient)


def _object(fields: dict[str, Raw], shape: _Shape, found: _Object, *, lenient: bool) -> Raw:
    """An object of a union, as the struct that was found for it; as unknown, where it is to be and does not fit."""
    packed = _packed(fields, found, lenient=lenient)
    if not lenient or shape.unknown is None or _is_valid(packed, found):
        return packed
    return _packed(fields, shape.unknown, lenient=lenient)


def _packed(fields: dict[str, Raw], found: _Object, *, lenient: bool) -> Raw:
    """An object with its strangers as one text under one key."""
    known: dict[str, Raw] = {"type": _TAG} if found.is_unknown else {}
    strangers: dict[str, Raw] = {}
    for name, value in fields.items():
        if name not in found.keys:
            strangers[name] = value
        elif (shape := found.keys[name]) is None:
            known[name] = value
        else:
            known[name] = _walked(value, shape, lenient=lenient)
    if strangers and found.forbids:
        known[UNKNOWN] = _raw(_encode(strangers).decode())
    return _raw(known)


def _raw(value: Any) -> Raw:
    return Raw(_encode(value))


def _is_valid(packed: Raw, found: _Object) -> bool:
    try:
        found.decoder.decode(packed)
    except msgspec.ValidationError:
        return False
    return True
