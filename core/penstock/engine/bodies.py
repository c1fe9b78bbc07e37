"""The bodies of requests as structs: JSON that may leave out what OpenAI's API lets it leave out.

It knows the short forms of items and fills in their types, and tells every mistake by the parameter at fault.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from penstock.errors import invalid
from penstock.lossless import decoder, one_line
from penstock.wire import NULL

from .blame import param_of, validation_error

T = TypeVar("T", bound=msgspec.Struct)

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_body(body: bytes, struct: type[T], *, items: str) -> tuple[T, dict[str, msgspec.Raw]]:
    """The body as a struct, and its fields as they were sent; `items` is the field that holds a list of items.

    Raises `ApiError` 400 for anything that is not a legal one.
    """
    try:
        return _read(body, struct, items)
    except msgspec.ValidationError as error:
        raise validation_error(error, struct) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"The body of the request is not valid JSON: {error}.") from None
    except RecursionError:
        raise invalid("The body of the request is nested too deeply.") from None


def _read(body: bytes, struct: type[T], items: str) -> tuple[T, dict[str, msgspec.Raw]]:
    if not body:
        raise invalid("The request has no body; a JSON object was expected.")
    body.decode()  # what is kept undecoded is not looked at by msgspec, and is sent on and echoed
    body = one_line(body)
    fields = _decode_fields(body)
    try:
        return decoder(struct).decode(body), fields
    except msgspec.ValidationError as error:
        if not _lacks_type(error, items):
            raise
        fields[items] = _with_types(fields[items])
        return decoder(struct).decode(msgspec.json.encode(fields)), fields


def _lacks_type(error: msgspec.ValidationError, items: str) -> bool:
    """Whether an item has no `type`, which OpenAI's API allows."""
    param = param_of(error) or ""
    return param.startswith(f"{items}[") and (param.endswith("].type") or "missing required field `type`" in str(error))


def _with_types(items: msgspec.Raw) -> msgspec.Raw:
    """The items, each with a type: what has a role is a message, what has but an id a reference."""
    typed = [_with_type(item) for item in _decode_items(items)]
    return msgspec.Raw(msgspec.json.encode(typed))


def _with_type(item: msgspec.Raw) -> msgspec.Raw | dict[str, msgspec.Raw]:
    if not bytes(item).lstrip().startswith(b"{"):
        return item
    fields = _decode_fields(item)
    if fields.get("type", NULL) != NULL:
        return item
    kind = b'"item_reference"' if "id" in fields and "role" not in fields else b'"message"'
    return {**fields, "type": msgspec.Raw(kind)}
