"""What an upstream wants back in later turns, carried by an item of the turn: signatures, its own ids, sealed thoughts.

It knows the one key of an item that holds this, beside the fields that clients see. Which fields an upstream wants,
and where they go, its dialect knows. Lists for clients leave the key out (`penstock.endpoints.included`).
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from .wire import UNSET, Unknown

T = TypeVar("T", bound=msgspec.Struct)

KEY = "penstock:returned"
"""The key of an item's JSON. Open Responses wants a prefix for what a server adds to an item."""

_KEY_BYTES = KEY.encode()

Fields: TypeAlias = dict[str, msgspec.Raw]
"""Fields as the upstream wrote them."""


class Returned(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one upstream wants back with a turn. No other upstream gets it."""

    origin: str
    """Which upstream that is."""
    item: Fields = {}
    """Fields of the item itself."""
    turn: Fields = {}
    """Fields of the message that the turn came in."""
    calls: dict[str, Fields] = {}
    """Fields of the turn's calls, by the `call_id` that the client knows."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Returned).decode


def carry(item: T, returned: Returned) -> T:
    """The item with what is to be returned with it."""
    beside = _beside(item)
    return replace(item, unknown=Unknown({**beside, KEY: msgspec.Raw(_encode(returned))}))


def carried(item: Any) -> Returned | None:
    """What is to be returned with the item, if anything."""
    raw = _beside(item).get(KEY)
    if raw is None:
        return None
    try:
        return _decode(raw)
    except msgspec.DecodeError:  # some client's own
        return None


def carries(body: bytes) -> bool:
    """Whether the JSON of an item may have something to be returned in it."""
    return _KEY_BYTES in body


def bare(item: T) -> T:
    """The item without it."""
    beside = _beside(item)
    if KEY not in beside:
        return item
    others = {name: value for name, value in beside.items() if name != KEY}
    return replace(item, unknown=Unknown(others) if others else UNSET)


def _beside(item: Any) -> Fields:
    """The keys of an item that its struct has no field for."""
    unknown: Unknown | msgspec.UnsetType = item.unknown
    return unknown.fields if unknown else {}
