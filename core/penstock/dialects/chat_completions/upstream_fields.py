"""The fields that an upstream gets back of a context: where they go in the messages of the history.

It knows how items carry such fields (`penstock.returned`), and never writes over a field of ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from penstock.patterns import lazy_pattern
from penstock.returned import Fields, Returned, carried
from penstock.tool_calls import CALLS, OUTPUTS
from penstock.wire import UNSET, InputItem, Message, ReasoningItem, Unknown, UnsetType

_fields_of = msgspec.json.Decoder(Fields).decode
_text_of = msgspec.json.Decoder(str).decode


class UpstreamMessage(msgspec.Struct):
    """Items that came as one message, from its index in the table up to `end`, and the fields of that message."""

    end: int
    fields: Fields


class UpstreamFields(msgspec.Struct):
    """The fields that the upstream gets back, by the indexes of items."""

    messages: dict[int, UpstreamMessage] = {}
    calls: dict[int, Fields] = {}


def find_upstream_fields(items: Sequence[InputItem], origin: str | None) -> UpstreamFields:
    """The fields of these items that the upstream `origin` gets back. Without an origin, none."""
    found = UpstreamFields()
    if origin is None:
        return found
    for index, item in enumerate(items):
        # spec: returned-fields
        if item.unknown and (returned := carried(item)) and returned.origin == origin:
            _find_turn(items, index, returned, found)
    return found


def _find_turn(items: Sequence[InputItem], end: int, returned: Returned, found: UpstreamFields) -> None:
    """Look back from the item that carries it, over the assistant's items, to where its turn began.

    Outputs may stand between the calls of one turn; these are then several messages.
    """
    missing = dict(returned.calls)
    start, is_one_message = end, True
    for index in range(end, -1, -1):
        item = items[index]
        if not _is_of_turn(item) or (index < end and _is_end(item)):
            break
        is_one_message &= type(item) in CALLS or type(item) not in OUTPUTS
        if is_one_message:
            start = index
        read_call = CALLS.get(type(item))
        if fields := missing.pop(read_call(item).call_id, None) if read_call else None:
            found.calls[index] = fields
    if returned.turn:
        found.messages[start] = UpstreamMessage(end, returned.turn)


def _is_of_turn(item: InputItem) -> bool:
    """Whether it is the assistant's text or thought, or the output of the assistant's call."""
    kind = type(item)
    return kind is ReasoningItem or kind in CALLS or kind in OUTPUTS or _is_answer(item)


def _is_end(item: InputItem) -> bool:
    """Whether the item is the last of another turn."""
    known = carried(item) if item.unknown else None
    return known is not None and bool(known.ends_turn or known.turn or known.calls or known.item)


def _is_answer(item: InputItem) -> bool:
    return isinstance(item, Message) and item.role == "assistant"


def beside(ours: msgspec.Struct, fields: Fields) -> Unknown | UnsetType:
    """The fields for which the object of ours has none of its own."""
    others = {name: value for name, value in fields.items() if name not in _OURS and not hasattr(ours, name)}
    return Unknown(others) if others else UNSET


def short_id(call_id: str) -> str:
    """The id of a call as nine letters or digits; always the same for the same id."""
    return call_id if _SHORT_ID.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:_SHORT_ID_CHARS]


_SHORT_ID_CHARS = 9
_SHORT_ID = lazy_pattern(f"[a-zA-Z0-9]{{{_SHORT_ID_CHARS}}}")
_OURS = frozenset({"type", "index"})
"""Keys of an object that are not fields of its struct, and are not the upstream's."""


def sent_id(fields: Fields) -> str | None:
    """The upstream's own id of a call, where the client knows the call by another."""
    try:
        return _text_of(fields["id"]) if "id" in fields else None
    except msgspec.DecodeError:
        return None


def function_fields(fields: Fields) -> Fields:
    """The fields that go back within the `function` of a call."""
    try:
        return _fields_of(fields["function"]) if "function" in fields else {}
    except msgspec.DecodeError:
        return {}
