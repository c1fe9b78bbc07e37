"""Decoding and encoding of structs without loss: unknown fields and types pass through unchanged.

It knows the types of structs, and moves the keys that a struct does not declare into its field `unknown`, and back. It
never looks into free JSON: a JSON schema, metadata, or any field that stays undecoded.

Decoding is msgspec's strict decoding, at its cost. Only where that finds an unknown key or type, the JSON is walked
once, along the types. The unknown fields of each object are then packed into one text, under a key that strict decoding
accepts from no client. Encoding is msgspec's encoding. It writes the unknown fields after a byte that is not valid in
UTF-8. A search for this byte shows whether there are any, and removing the mark makes them keys of their object again.
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
_UNIT_DIGITS = 4
"""How many hexadecimal digits an escaped code unit has."""
_NO_TYPE = "missing required field `type`"

_fields_of = msgspec.json.Decoder(dict[str, Raw]).decode
_entries_of = msgspec.json.Decoder(list[Raw]).decode
_text_of = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def _mark(value: Any) -> Raw:
    """The unknown fields of an object, marked for `unmarked`. Raises `TypeError` for a value that is no JSON."""
    if not isinstance(value, Unknown):
        raise TypeError(f"{type(value).__name__} is not JSON")
    return Raw(b"%b,%b" % (_MARK, value.json[1:-1].encode()))


_encoder = msgspec.json.Encoder(enc_hook=_mark)
encode_into = _encoder.encode_into
"""Append the JSON of a value to a buffer. `unmarked` completes it."""


def encode(value: Any) -> bytes:
    """The JSON of a struct, or of a value that contains structs, with all their unknown fields."""
    return unmarked(_encoder.encode(value))


def encoded(value: Any) -> Raw:
    """The JSON of a value, to be stored: a copy, since the bytes of an encoder have room to grow by a half."""
    return Raw(bytes(memoryview(encode(value))))


def unmarked(text: B) -> B:
    """Encoded JSON with the unknown fields as keys of their objects."""
    return text if text.find(_MARK) < 0 else text.replace(_TAGGED, b"").replace(_MARKED, b"")


def one_line(data: bytes) -> bytes:
    """JSON without line breaks: undecoded JSON must fit on one line of a server-sent event."""
    return msgspec.json.format(data, indent=-1) if b"\n" in data or b"\r" in data else data


class Decoder(Generic[T]):
    """Decodes JSON as one type. Raises msgspec's errors, with the path in the original JSON.

    `lenient` is for upstreams: an object of a known type that does not match it, such as one with a newer value of an
    enumeration, is decoded as unknown. For clients, such an object is an error.
    """

    def __init__(self, kind: Any, *, lenient: bool = False) -> None:
        self._kind = kind
        self._lenient = lenient

    def decode(self, data: bytes, before_walk: Callable[[], None] | None = None) -> T:
        """The value. `before_walk` is called before the JSON is walked, which has a cost for every value."""
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
        """The strict decoder. It is made at its first use: it takes 10 ms for the union of all items."""
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
    """The decoder of a struct, which is made once."""
    return Decoder(kind)


def _unpacked(_: type, text: str) -> Unknown:
    return Unknown(text)


class _Object:
    """The keys of an object of one struct, and the shapes of their values."""

    def __init__(self, info: inspect.StructType) -> None:
        self._info = info
        self.is_unknown = info.tag == UNKNOWN
        self.forbids = info.forbid_unknown_fields

    @cached_property
    def keys(self) -> dict[str, _Shape | None]:
        """The shape of each key's value. None for a value without structs. An unknown type's `type` is no key."""
        shapes = {field.encode_name: _shape([field.type]) for field in self._info.fields}
        keys = {name: shape if shape.matters else None for name, shape in shapes.items() if name != UNKNOWN}
        return keys if self.is_unknown or not self._info.tag_field else {self._info.tag_field: None, **keys}

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Any]:
        """The decoder that shows whether an object matches its struct."""
        return msgspec.json.Decoder(self._info.cls, dec_hook=_unpacked)


class _Shape:
    """The structs that a value may be or contain: directly, by its `type`, or in a list or dictionary."""

    def __init__(self) -> None:
        self.entries: _Shape | None = None
        self.values: _Shape | None = None
        self.plain: _Object | None = None
        self.tagged: dict[str, _Object] = {}
        self.unknown: _Object | None = None

    @property
    def matters(self) -> bool:
        """Whether there are any structs."""
        return bool(self.entries or self.values or self.plain or self.tagged)

    def add(self, info: inspect.StructType) -> None:
        """Add a struct."""
        if info.tag == UNKNOWN:
            self.unknown = _Object(info)
        elif info.tag_field is None:
            self.plain = _Object(info)
        else:
            self.tagged[str(info.tag)] = _Object(info)

    def choose(self, fields: dict[str, Raw]) -> _Object | None:
        """The struct of an object with these keys. None for an error, which the decoder will raise."""
        if self.plain is not None or "type" not in fields:
            return self.plain
        tag = fields["type"]
        return self.tagged.get(_text_of(tag), self.unknown) if bytes(memoryview(tag)[:1]) == b'"' else None


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
    """The types, with the members of unions in place of the unions."""
    for kind in kinds:
        if isinstance(kind, inspect.UnionType):
            yield from _flat(kind.types)
        else:
            yield kind


def _walked(raw: Raw, shape: _Shape, *, lenient: bool) -> Raw:
    """The JSON with the unknown fields of each object packed."""
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
    """An object as the struct that was found for it, or as unknown where lenient decoding needs it."""
    packed = _packed(fields, found, lenient=lenient)
    if not lenient or shape.unknown is None or _is_valid(packed, found):
        return packed
    return _packed(fields, shape.unknown, lenient=lenient)


def _packed(fields: dict[str, Raw], found: _Object, *, lenient: bool) -> Raw:
    """An object with its unknown fields as one text under one key."""
    known: dict[str, Raw] = {"type": _TAG} if found.is_unknown else {}
    unknown: dict[str, Raw] = {}
    for name, value in fields.items():
        if name not in found.keys:
            unknown[name] = value
        elif (shape := found.keys[name]) is None:
            known[name] = value
        else:
            known[name] = _walked(value, shape, lenient=lenient)
    if unknown and found.forbids:
        known[UNKNOWN] = _raw(_encode(unknown).decode())
    return _raw(known)


def _raw(value: Any) -> Raw:
    return Raw(_encode(value))


def _is_valid(packed: Raw, found: _Object) -> bool:
    try:
        found.decoder.decode(packed)
    except msgspec.ValidationError:
        return False
    return True


def unicode_escape(character: str) -> str:
    """The JSON escape of a character, in UTF-16 code units (RFC 8259, section 7). Half of a pair is one unit."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + _UNIT_DIGITS]}" for at in range(0, len(units), _UNIT_DIGITS))
