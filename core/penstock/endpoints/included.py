"""What `include` reveals: some fields of items are listed only when a client asks for them.

It knows each value of `include` by one entry in a table, and items as stored JSON. It is pure, and only listing goes
through it: stores, chains and models always have the whole items.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from penstock.ports import StoredItem
from penstock.returned import KEY, carries
from penstock.wire import NULL, Include

EACH = "*"
"""In a way: every entry of a list."""

_EMPTY = msgspec.Raw(b"[]")

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Hidden(NamedTuple):
    """A field that is not told unless it was asked for: whose, the way to it, and what stands there instead, if any."""

    type: str
    way: tuple[str, ...]
    instead: msgspec.Raw | None = None


HIDDEN: dict[Include, Hidden] = {
    "message.output_text.logprobs": Hidden("message", ("content", EACH, "logprobs"), _EMPTY),
    "file_search_call.results": Hidden("file_search_call", ("results",), NULL),
    "web_search_call.results": Hidden("web_search_call", ("results",)),
    "web_search_call.action.sources": Hidden("web_search_call", ("action", "sources")),
    "code_interpreter_call.outputs": Hidden("code_interpreter_call", ("outputs",), NULL),
}
ALWAYS: frozenset[Include] = frozenset(
    {
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "reasoning.encrypted_content",
    }
)
"""What is told though nobody asked: without it a client could neither show an item nor send it back."""


class _Typed(msgspec.Struct):
    """What an item is."""

    type: str = ""


_decode_type = msgspec.json.Decoder(_Typed).decode


def shown(item: StoredItem, include: Collection[str]) -> msgspec.Raw:
    """The item as it is listed for a client that asked to include these."""
    told = msgspec.Raw(item.body)
    if carries(item.body):
        told = _without(told, (KEY,), None)
    for hidden in _hidden(_decode_type(told).type, include):
        told = _without(told, hidden.way, hidden.instead)
    return told


def _hidden(type: str, include: Collection[str]) -> Iterable[Hidden]:
    return (hidden for value, hidden in HIDDEN.items() if hidden.type == type and value not in include)


def _without(told: msgspec.Raw, way: tuple[str, ...], instead: msgspec.Raw | None) -> msgspec.Raw:
    """The JSON without the field at the end of the way; as it is where the way leads nowhere."""
    step, *rest = way
    try:
        if step == EACH:
            return msgspec.Raw(_encode([_without(entry, tuple(rest), instead) for entry in _decode_entries(told)]))
        fields = _decode_fields(told)
    except msgspec.ValidationError:  # plain text where there may be parts, null where there may be an action
        return told
    if step not in fields:
        return told
    if rest:
        fields[step] = _without(fields[step], tuple(rest), instead)
    elif instead is None:
        del fields[step]
    else:
        fields[step] = instead
    return msgspec.Raw(_encode(fields))
