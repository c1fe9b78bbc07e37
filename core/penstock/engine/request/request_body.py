"""Request bodies as structs: JSON that may leave out what OpenAI's API allows to leave out.

It knows the short forms of items and fills in their types, and its errors name the wrong parameter. The entries of a
body are counted before work is done for each of them.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TypeAlias, TypeVar

import msgspec

from penstock.errors import invalid
from penstock.invalid_unicode import lone_surrogate_at
from penstock.json_codec import decoder, one_line
from penstock.limits import Limits
from penstock.wire import NULL

from .json_bounds import check_depth, check_json, count_entries, too_deep
from .validation_errors import param_of, validation_error

T = TypeVar("T", bound=msgspec.Struct)

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_BOM = codecs.BOM_UTF8
_PIECE_BYTES = 2**20

Sizes: TypeAlias = Callable[[Limits], Mapping[str, int]]
"""The maximum number of entries of each list in a body, by field name."""


class _Typed(msgspec.Struct):
    """The type of an item, undecoded."""

    type: msgspec.Raw = NULL


_decode_typed = msgspec.json.Decoder(_Typed).decode


def no_sizes(limits: Limits) -> Mapping[str, int]:
    """The sizes of a body without lists."""
    return {}


def without_bom(body: bytes) -> bytes:
    """The body without a byte order mark, which some clients send before their JSON."""
    # spec: busy-agents
    return body.removeprefix(_BOM)


def read_body(
    body: bytes,
    struct: type[T],
    limits: Limits,
    *,
    items: str = "",
    sizes: Sizes = no_sizes,
    whole: Callable[[bytes], T] | None = None,
) -> tuple[T, dict[str, msgspec.Raw]]:
    """The body as a struct, and its fields as they were sent.

    `items` is the field with a list of items, `sizes` has the maximum number of entries of such fields. A body that
    `whole` can decode returns no fields: they are in the struct. Raises `ApiError` 400 for an invalid body.
    """
    if whole is not None and body.isascii() and b"\n" not in body and b"\r" not in body:  # as most are
        check_json(body, limits)
        try:
            return whole(body), {}
        except (msgspec.DecodeError, RecursionError):
            whole = None  # it has unknown fields or a fault, which the general way finds
    return _checked(body, struct, limits, partial(_read, body, struct, limits, items, sizes, whole))


def read_plain_body(
    body: bytes, struct: type[T], limits: Limits, sizes: Sizes = no_sizes
) -> tuple[T, dict[str, msgspec.Raw]]:
    """The same for a struct that has no unknown fields within it, and no short forms. Raises `ApiError` 400."""
    return _checked(body, struct, limits, partial(_read_plain, body, struct, limits, sizes))


def _checked(
    body: bytes, struct: type[T], limits: Limits, read: Callable[[], tuple[T, dict[str, msgspec.Raw]]]
) -> tuple[T, dict[str, msgspec.Raw]]:
    """What `read` returns. Raises `ApiError` 400 for a body that is too large, and in place of msgspec's errors."""
    # spec: bounded-bodies
    check_json(body, limits)
    try:
        return read()
    except msgspec.ValidationError as error:
        raise validation_error(error, struct) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"The body of the request is not valid JSON: {_reason(body, error)}.") from None
    except RecursionError:
        raise too_deep(limits) from None


def _reason(body: bytes, error: msgspec.DecodeError | UnicodeDecodeError) -> str:
    """Why a body is not valid JSON, in plain words where msgspec and Python have others."""
    # spec: half-characters-refused
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (byte {error.start})"
    at = None if "invalid character" in str(error) else lone_surrogate_at(body)
    return str(error) if at is None else f"it has half of a surrogate pair, which is no character (byte {at})"


def lacks_type(error: msgspec.ValidationError, items: str) -> bool:
    """Whether an item has no `type`, which OpenAI's API allows."""
    param = param_of(error) or ""
    return param.startswith(f"{items}[") and (param.endswith("].type") or "missing required field `type`" in str(error))


def check_size(size: int, size_max: int, param: str) -> None:
    """Raises `ApiError` 400 for a list that is too long."""
    if size > size_max:
        message = f"Invalid '{param}': array too long. Expected at most {size_max} elements, but got {size}."
        raise invalid(message, param, "array_above_max_length")


def _read_plain(body: bytes, struct: type[T], limits: Limits, sizes: Sizes) -> tuple[T, dict[str, msgspec.Raw]]:
    _check_text(body)
    fields = _decode_fields(body)
    _check_sizes(fields, limits, sizes)
    return _plain_decoder(struct).decode(body), fields


@cache
def _plain_decoder(struct: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(struct)


def _read(
    body: bytes, struct: type[T], limits: Limits, items: str, sizes: Sizes, whole: Callable[[bytes], T] | None
) -> tuple[T, dict[str, msgspec.Raw]]:
    _check_text(body)
    body = one_line(body)
    if whole is not None:
        try:
            return whole(body), {}
        except msgspec.ValidationError:
            """It has unknown fields or a fault, which the general way finds."""
    fields = _decode_fields(body)
    before_walk = partial(_check_fields, fields, limits, items, sizes)
    try:
        return decoder(struct).decode(body, before_walk), fields
    except msgspec.ValidationError as error:
        if not lacks_type(error, items):
            raise
    _check_sizes(fields, limits, sizes)
    fields[items] = _with_types(fields[items])
    return decoder(struct).decode(_encode(fields), before_walk), fields


def _check_text(body: bytes) -> None:
    """Raises `ApiError` 400 for an empty body.

    Raises `UnicodeDecodeError`: msgspec does not check undecoded parts, which are sent on and echoed.
    """
    if not body:
        raise invalid("The request has no body; a JSON object was expected.")
    if body.isascii():
        return
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for begin in range(0, len(body), _PIECE_BYTES):
        decode(body[begin : begin + _PIECE_BYTES])
    decode(b"", final=True)


def _check_sizes(fields: Mapping[str, msgspec.Raw], limits: Limits, sizes: Sizes) -> None:
    """Raises `ApiError` 400 for lists that are too long, before each of their entries costs time."""
    for name, size_max in sizes(limits).items():
        raw = fields.get(name, NULL)
        if bytes(raw).count(b",") >= size_max:  # at least: entries may contain commas too
            check_size(count_entries(raw), size_max, name)


def _check_fields(fields: Mapping[str, msgspec.Raw], limits: Limits, items: str, sizes: Sizes) -> None:
    """Raises `ApiError` 400 for lists that are too long or too deep, before each of their values costs time."""
    _check_sizes(fields, limits, sizes)
    if items in fields:
        check_depth(fields[items], items, limits)


def _with_types(items: msgspec.Raw) -> msgspec.Raw:
    """The items, each with a type: an item with a role is a message, an item with only an id a reference."""
    return msgspec.Raw(_encode([_with_type(item) for item in _decode_items(items)]))


def _with_type(item: msgspec.Raw) -> msgspec.Raw:
    if bytes(memoryview(item)[:1]) != b"{" or _decode_typed(item).type != NULL:
        return item
    fields = _decode_fields(item)
    kind = b'"item_reference"' if "id" in fields and "role" not in fields else b'"message"'
    return msgspec.Raw(_encode({**fields, "type": msgspec.Raw(kind)}))
