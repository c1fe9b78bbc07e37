"""The `include` parameter: some fields of items are listed only when a client asks for them.

It knows each value of `include` by one entry in a table, and items as stored JSON. It is pure, and only lists use it:
stores, chains and models always have all fields of items.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from penstock.ports import StoredItem
from penstock.returned import KEY, carries
from penstock.wire import NULL, Include

EACH = "*"
"""In a path: every entry of a list."""

_EMPTY = msgspec.Raw(b"[]")

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class OptionalField(msgspec.Struct, frozen=True):
    """A field that is listed on request only: the type of its item, its path, and its replacement, if any."""

    type: str
    path: tuple[str, ...]
    replacement: msgspec.Raw | None = None


OPTIONAL_FIELDS: dict[Include, OptionalField] = {
    "message.output_text.logprobs": OptionalField("message", ("content", EACH, "logprobs"), _EMPTY),
    "file_search_call.results": OptionalField("file_search_call", ("results",), NULL),
    "web_search_call.results": OptionalField("web_search_call", ("results",)),
    "web_search_call.action.sources": OptionalField("web_search_call", ("action", "sources")),
    "code_interpreter_call.outputs": OptionalField("code_interpreter_call", ("outputs",), NULL),
}
ALWAYS: frozenset[Include] = frozenset(
    {
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "reasoning.encrypted_content",
    }
)
"""Values of `include` that always apply: a client needs these fields to show an item or to send it back."""


class _Typed(msgspec.Struct):
    """The type of an item."""

    type: str = ""


_decode_type = msgspec.json.Decoder(_Typed).decode


def listed(item: StoredItem, include: Collection[str]) -> msgspec.Raw:
    """The JSON of an item in a list, for a request with these values of `include`."""
    json = msgspec.Raw(item.body)
    if carries(item.body):
        json = _without(json, (KEY,), None)
    for field in _left_out(_decode_type(json).type, include):
        json = _without(json, field.path, field.replacement)
    return json


def _left_out(type: str, include: Collection[str]) -> Iterable[OptionalField]:
    return (field for value, field in OPTIONAL_FIELDS.items() if field.type == type and value not in include)


def _without(json: msgspec.Raw, path: tuple[str, ...], replacement: msgspec.Raw | None) -> msgspec.Raw:
    """The JSON without the field at the path, or with its replacement. Unchanged where the path leads nowhere."""
    step, *rest = path
    try:
        if step == EACH:
            return msgspec.Raw(_encode([_without(entry, tuple(rest), replacement) for entry in _decode_entries(json)]))
        fields = _decode_fields(json)
    except msgspec.ValidationError:  # a string in the place of parts, or null in the place of an action
        return json
    if step not in fields:
        return json
    if rest:
        fields[step] = _without(fields[step], tuple(rest), replacement)
    elif replacement is None:
        del fields[step]
    else:
        fields[step] = replacement
    return msgspec.Raw(_encode(fields))
