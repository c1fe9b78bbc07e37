"""References: items that a request names by id, and what items that are sent back as a whole once carried.

It knows that each item stands in a context once. What an item carries for its upstream, no client ever saw; the store
has it for an item that comes back by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from penstock.errors import invalid
from penstock.ids import may_be_id
from penstock.json_codec import Decoder
from penstock.ports import Store, TooManyBytes
from penstock.returned import carried, carries, carry
from penstock.tool_calls import CALLS
from penstock.wire import InputItem, ItemReference, Message, ReasoningItem

_decode_item = Decoder[InputItem](InputItem).decode


async def dereferenced(
    own: list[InputItem],
    earlier: Sequence[InputItem],
    store: Store | None,
    owner: str,
    *,
    recovered_max: int,
    bytes_max: int,
) -> list[InputItem]:
    """The items with every reference replaced. What the context has already adds nothing, whole or by reference.

    The store is asked for what the last `recovered_max` items of the assistant's carried; what is whole already is not
    refused for that. Raises `ApiError` 400 for a reference to what is not there, and `TooManyBytes`.
    """
    if not any(getattr(item, "id", None) for item in own):
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
        if item_id in present:
            continue
        if not isinstance(item, ItemReference):
            resolved.append(_recovered(item, found.get(item_id) if item_id else None))
        elif item.id in found:
            resolved.append(_decode_item(found[item.id]))
            present.add(item.id)
        else:
            raise invalid(f"Item with id '{item.id}' not found.", f"input[{index}].id", "item_not_found")
    return resolved


async def _find(store: Store, owner: str, wanted: set[str], sent_back: set[str], bytes_max: int) -> dict[str, bytes]:
    """The items that are wanted, and those that were sent back, if they are not too many bytes."""
    found = await store.find_items(owner, wanted, bytes_max=bytes_max) if wanted else {}
    if sent_back:
        with suppress(TooManyBytes):
            found |= await store.find_items(owner, sent_back, bytes_max=bytes_max)
    return found


def _sent_back(items: Sequence[InputItem], count: int) -> list[str]:
    """The ids of the last items that may have carried something: thoughts, and what ended a turn of the assistant's."""
    if not count or all(isinstance(item, Message) for item in items):
        return []  # plain answers carry nothing that must come back
    ids: list[str] = []
    ends_turn = True
    for item in reversed(items):
        is_said = type(item) in CALLS or isinstance(item, ReasoningItem) or _is_answer(item)
        item_id = getattr(item, "id", None)
        may_carry = is_said and (ends_turn or isinstance(item, ReasoningItem))
        if may_carry and item_id and may_be_id(item_id) and carried(item) is None:
            ids.append(item_id)
        ends_turn = not is_said
        if len(ids) == count:
            break
    return ids


def _is_answer(item: InputItem) -> bool:
    return isinstance(item, Message) and item.role == "assistant"


def _recovered(item: InputItem, stored: bytes | None) -> InputItem:
    """The item with what it carried when it was stored."""
    returned = carried(_decode_item(stored)) if stored and carries(stored) else None
    return item if returned is None else carry(item, returned)
