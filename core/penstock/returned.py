"""Fields that an upstream needs back in later turns, such as signatures and encrypted reasoning. An item carries them.

It knows the key of an item that contains them, beside the fields for clients. A dialect knows which fields its upstream
needs, and where it sends them. Lists for clients leave the key out (`penstock.endpoints.included`).
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from .wire import UNSET, Unknown

T = TypeVar("T", bound=msgspec.Struct)

KEY = "penstock:returned"
"""The key in an item's JSON. Open Responses requires a prefix for keys that a server adds to an item."""

_KEY_BYTES = KEY.encode()

Fields: TypeAlias = dict[str, msgspec.Raw]
"""Fields in the upstream's JSON."""


class Returned(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The fields that one upstream needs back with a turn. No other upstream gets them."""

    origin: str
    """The hash of the upstream."""
    item: Fields = {}
    """Fields of the item."""
    turn: Fields = {}
    """Fields of the upstream's message."""
    calls: dict[str, Fields] = {}
    """Fields of the turn's calls, by the client's `call_id`."""


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
