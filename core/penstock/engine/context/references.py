"""References: items that a request names by id, and the upstream fields of items that a client sends back.

Each item is in a context once. Some items have fields for their upstream that clients do not see; the store has them,
and they are added again to an item with the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from penstock.errors import invalid
from penstock.ids import may_be_id
from penstock.json_codec import Decoder
from penstock.ports import Store, TooManyBytes
from penstock.returned import carried, carries, carry
from penstock.tool_calls import CALLS, HOSTED_CALLS
from penstock.wire import InputItem, ItemReference, Message, ReasoningItem

_decode_item = Decoder[InputItem](InputItem).decode


def have_ids(items: Sequence[InputItem]) -> bool:
    """Whether any of the items has an id, without which none is a reference or known to the store."""
    return any(getattr(item, "id", None) for item in items)


async def dereferenced(
    own: list[InputItem],
    earlier: Sequence[InputItem],
    store: Store | None,
    owner: str,
    *,
    recovered_max: int,
    bytes_max: int,
) -> list[InputItem]:
    """The items with every reference replaced, without items that the context already has.

    The store is asked for the upstream fields of the last `recovered_max` items of the assistant; too many bytes of
    them are not an error. Raises `ApiError` 400 for a reference to an unknown item, and `TooManyBytes`.
    """
    if not have_ids(own):
        return own
    present = {getattr(item, "id", None) for item in earlier} - {None}
    found: dict[str, bytes] = {}
    if store is not None:
        wanted = {item.id for item in own if isinstance(item, ItemReference) and may_be_id(item.id)} - present
        sent_back = set(_sent_back(own, recovered_max)) - present
        found = await _find(store, owner, wanted, sent_back, bytes_max)
    resolved: list[InputItem] = []
    for index, item in enumerate(own):
        item_id = getattr(item, "id", None)
        # spec: chains
        if item_id in present:
            continue
        if not isinstance(item, ItemReference):
            resolved.append(_recovered(item, found.get(item_id) if item_id else None))
        elif item.id in found:
            # spec: replayed-items
            resolved.append(_decode_item(found[item.id]))
            present.add(item.id)
        else:
            raise invalid(f"Item with id '{item.id}' not found.", f"input[{index}].id", "item_not_found")
    return resolved


async def _find(store: Store, owner: str, wanted: set[str], sent_back: set[str], bytes_max: int) -> dict[str, bytes]:
    """The wanted items, and those that were sent back, unless these are too many bytes."""
    found = await store.find_items(owner, wanted, bytes_max=bytes_max) if wanted else {}
    if sent_back:
        with suppress(TooManyBytes):
            found |= await store.find_items(owner, sent_back, bytes_max=bytes_max)
    return found


def _sent_back(items: Sequence[InputItem], count: int) -> list[str]:
    """The ids of the last items that may carry something: reasoning, hosted calls, and the last one of each turn."""
    if not count or all(isinstance(item, Message) for item in items):
        return []  # plain messages carry nothing
    ids: list[str] = []
    ends_turn = True
    for item in reversed(items):
        is_output = type(item) in CALLS or isinstance(item, ReasoningItem) or _is_answer(item)
        item_id = getattr(item, "id", None)
        may_carry = is_output and (ends_turn or isinstance(item, ReasoningItem) or type(item) in HOSTED_CALLS)
        if may_carry and item_id and may_be_id(item_id) and carried(item) is None:
            ids.append(item_id)
        ends_turn = not is_output
        if len(ids) == count:
            break
    return ids


def _is_answer(item: InputItem) -> bool:
    return isinstance(item, Message) and item.role == "assistant"


def _recovered(item: InputItem, stored: bytes | None) -> InputItem:
    """The item with the upstream fields of its stored form."""
    returned = carried(_decode_item(stored)) if stored and carries(stored) else None
    return item if returned is None else carry(item, returned)
