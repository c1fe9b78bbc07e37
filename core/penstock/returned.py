"""What an item carries for later turns and no client gets: fields that an upstream needs back, and what the model read.

An upstream needs back such fields as signatures and encrypted reasoning; its dialect knows which, and where it sends
them. What the model read of a hosted call is more than its item shows. Here is the key of an item that contains them,
beside the fields for clients. Lists for clients leave the key out (`penstock.endpoints.included`).
"""

from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from .wire import UNSET, ContentPart, Unknown

T = TypeVar("T", bound=msgspec.Struct)

KEY = "penstock:returned"
"""The key in an item's JSON. Open Responses requires a prefix for keys that a server adds to an item."""

_KEY_BYTES = KEY.encode()

Fields: TypeAlias = dict[str, msgspec.Raw]
"""Fields in the upstream's JSON."""


class Returned(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The fields that one upstream needs back with a turn, which no other upstream gets, and what the model read."""

    origin: str = ""
    """The hash of the upstream. Empty where it needs nothing back."""
    item: Fields = {}
    """Fields of the item."""
    turn: Fields = {}
    """Fields of the upstream's message."""
    calls: dict[str, Fields] = {}
    """Fields of the turn's calls, by the client's `call_id`."""
    reply: str | list[ContentPart] = ""
    """What the model read, where the item is a hosted call."""
    last_source: int = 0
    """The number of the last source up to this call, so that the sources of later responses have other numbers."""
    ends_turn: bool = False
    """Whether it is the last item of a turn of the model that another turn of the same response follows."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Returned).decode


def carry(item: T, returned: Returned) -> T:
    """The item with these fields."""
    unknown_fields = _unknown_fields(item)
    return replace(item, unknown=Unknown({**unknown_fields, KEY: msgspec.Raw(_encode(returned))}))


def carried(item: Any) -> Returned | None:
    """The fields that the item carries, if any."""
    raw = _unknown_fields(item).get(KEY)
    if raw is None:
        return None
    try:
        return _decode(raw)
    except msgspec.DecodeError:  # a client wrote it
        return None


def in_mid_turn(item: T) -> T:
    """The item as one that more of the same turn follows."""
    known = carried(item)
    return item if known is None or not known.ends_turn else carry(item, replace(known, ends_turn=False))


def carries(body: bytes) -> bool:
    """Whether the JSON of an item may carry such fields."""
    return _KEY_BYTES in body


def bare(item: T) -> T:
    """The item without such fields."""
    unknown_fields = _unknown_fields(item)
    if KEY not in unknown_fields:
        return item
    others = {name: value for name, value in unknown_fields.items() if name != KEY}
    return replace(item, unknown=Unknown(others) if others else UNSET)


def _unknown_fields(item: Any) -> Fields:
    """The unknown fields of an item."""
    unknown: Unknown | msgspec.UnsetType = item.unknown
    return unknown.fields if unknown else {}
