"""Step 2: all items that a request refers to, as one list.

It is the only step that reads the store. Instructions are never inherited, and each item is in the context once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from penstock.engine.request.decode import Decoded
from penstock.errors import ApiError, invalid, not_found, quoted
from penstock.ids import may_be_id
from penstock.limits import Limits
from penstock.ports import ENDED, ChainTooLong, Store, StoredItem, TooManyBytes
from penstock.wire import CompactionItem, CompactionTrigger, CreateResponse, InputItem, ItemReference, Message

from .chain_cache import ITEM_BYTES, ChainCache, SizedItems, read_items
from .references import dereferenced, have_ids

_LIMITS = Limits()

Recall: TypeAlias = Callable[[str], SizedItems | None]
"""All items up to the end of a response that a connection has cached and no store has; None for any other."""


class Context(msgspec.Struct):
    """The items that the model reads, oldest first, and where they come from."""

    earlier: list[InputItem]
    """The items of the chain or conversation."""
    own: list[InputItem]
    """The items that this turn adds, references resolved."""
    conversation_id: str | None = None
    compacts: bool = False
    """Whether the context is to be compacted, without an answer."""
    size: int = 0
    """The estimated size as JSON, in bytes, with an overhead for each item."""
    leading: list[InputItem] = []
    """The items of a prompt template. They are instructions: never inherited, and not stored with the input."""

    @property
    def items(self) -> list[InputItem]:
        """All items."""
        return [*self.leading, *self.earlier, *self.own] if self.leading or self.earlier else self.own


def stand_alone(decoded: Decoded, limits: Limits = _LIMITS, *, compacts: bool = False) -> Context | None:
    """The context of a request that refers to nothing that the server has stored, as nearly all that have no store.

    None for any other request, and for one that is too large. Raises `ApiError` as `resolve`.
    """
    request = decoded.request
    if request.previous_response_id is not None or request.conversation is not None or request.background:
        return None
    own = _own_items(request)
    has_trigger = False
    if type(request.input) is list:
        own, has_trigger = _without_trigger(own)
        if have_ids(own):
            return None
    if decoded.size > limits.context_bytes_max or len(own) > limits.context_items_max:
        return None
    size = decoded.size + ITEM_BYTES * len(own)
    return Context([], own, None, compacts or has_trigger, size, decoded.leading)


async def resolve(
    decoded: Decoded,
    store: Store | None = None,
    owner: str = "",
    limits: Limits = _LIMITS,
    *,
    recall: Recall | None = None,
    turns: ChainCache | None = None,
    compacts: bool = False,
) -> Context:
    """The context of any request. Raises `ApiError` for what cannot be resolved, for instance without a store.

    `recall` is called before the store is read, and `turns` caches decoded chains. With `compacts` the context is
    compacted even if the input has no trigger.
    """
    request = decoded.request
    _check_background(request)
    own, has_trigger = _without_trigger(_own_items(request))
    recalled = recall(request.previous_response_id) if recall and request.previous_response_id else None
    if store is None:
        _refuse_memory(request, own, may_recall=recall is not None)
    room = limits.context_bytes_max - decoded.size
    try:
        past = recalled if recalled is not None else await _earlier(request, store, owner, limits, room, turns)
        _check_room(room := room - past.size)
        recovered_max = limits.recovered_items_max if request.store is not False else 0
        own = await dereferenced(own, past.items, store, owner, recovered_max=recovered_max, bytes_max=room)
    except TooManyBytes:
        message = f"The context has more than {limits.context_bytes_max} bytes, as JSON."
        # spec: bounded-contexts
        raise invalid(message, _largest(request), "context_too_long") from None
    earlier = past.items
    if len(earlier) + len(own) > limits.context_items_max < _since_compaction(earlier) + len(own):
        raise invalid(f"The context has more than {limits.context_items_max} items.", "input", "context_too_long")
    # spec: store-false
    if recalled and request.store is not False:  # a stored response cannot refer to one that is not stored
        earlier, own = [], [*earlier, *own]
    size = decoded.size + past.size + ITEM_BYTES * (len(earlier) + len(own))
    return Context(earlier, own, conversation_of(request), compacts or has_trigger, size, decoded.leading)


def _since_compaction(items: list[InputItem]) -> int:
    """The number of items after the last compaction."""
    for count, item in enumerate(reversed(items)):
        if isinstance(item, CompactionItem):
            return count
    return len(items)


def _check_room(room: int) -> None:
    if room < 0:
        raise TooManyBytes


def _largest(request: CreateResponse) -> str:
    """The parameter that most likely makes the context too large."""
    if request.previous_response_id is not None:
        return "previous_response_id"
    return "input" if request.conversation is None else "conversation"


async def _earlier(
    request: CreateResponse, store: Store | None, owner: str, limits: Limits, bytes_max: int, turns: ChainCache | None
) -> SizedItems:
    """The stored items that come before those of the request. Raises `TooManyBytes`."""
    _check_room(bytes_max)
    conversation_id = conversation_of(request)
    if request.previous_response_id is not None:
        return await _chain(request.previous_response_id, store, owner, limits, bytes_max, turns or ChainCache(0))
    if conversation_id is not None and store is not None:
        return await read_items(await _conversation(conversation_id, store, owner, bytes_max))
    return SizedItems([], 0)


def _check_background(request: CreateResponse) -> None:
    if request.background and request.store is False:
        raise invalid("A background response must be stored: 'store' cannot be false.", "store")


def _own_items(request: CreateResponse) -> list[InputItem]:
    if isinstance(request.input, str):
        return [Message(role="user", content=request.input)]
    if request.input is None:
        if request.previous_response_id is None and request.conversation is None and request.prompt is None:
            raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
        return []
    return request.input


def _without_trigger(items: list[InputItem]) -> tuple[list[InputItem], bool]:
    """The items without the `compaction_trigger` at their end, and whether there was one; it is not an item."""
    if CompactionTrigger not in map(type, items):
        return items, False
    for index, item in enumerate(items[:-1]):
        if isinstance(item, CompactionTrigger):
            raise invalid("A 'compaction_trigger' must be the last item of the input.", f"input[{index}]")
    return items[:-1], True


def _refuse_memory(request: CreateResponse, own: list[InputItem], *, may_recall: bool) -> None:
    """Raise `ApiError` 400 for parameters that need a store, where there is none."""
    names = ("conversation",) if may_recall else ("previous_response_id", "conversation")
    params = [param for param in names if getattr(request, param) is not None]
    params += ["background"] if request.background else []
    if not may_recall and ItemReference in map(type, own):
        params += [f"input[{index}]" for index, item in enumerate(own) if isinstance(item, ItemReference)]
    if params:
        message = f"'{params[0]}' needs a store, and this server runs without one: send the whole input instead."
        raise invalid(message, params[0], "unsupported_parameter")


def conversation_of(request: CreateResponse) -> str | None:
    """The id of the request's conversation. Raises `ApiError` 404 for an id that is not valid."""
    named = request.conversation
    if named is None:
        return None
    conversation_id = named if isinstance(named, str) else named.id
    if not may_be_id(conversation_id):
        raise unknown_conversation(conversation_id)
    return conversation_id


async def _chain(
    response_id: str, store: Store | None, owner: str, limits: Limits, bytes_max: int, turns: ChainCache
) -> SizedItems:
    """The items of every turn up to that response."""
    if store is None or not may_be_id(response_id):
        raise _no_previous(f"Previous response with id {quoted(response_id)} not found.")
    # spec: turns-read-once
    known = turns.known()
    most = limits.chain_responses_max
    try:
        chain = await store.chain(owner, response_id, responses_max=most, bytes_max=bytes_max, known=known)
    except ChainTooLong:
        message = f"The chain of 'previous_response_id' has more than {most} responses."
        raise invalid(message, "previous_response_id", "context_too_long") from None
    if not chain:
        raise _no_previous(f"Previous response with id '{response_id}' not found.")
    if chain[-1].status not in ENDED:
        raise _no_previous(f"Previous response with id '{response_id}' has not ended yet.")
    return await turns.read(chain, known, bytes_max)


def _no_previous(message: str) -> ApiError:
    return invalid(message, "previous_response_id", "previous_response_not_found")


async def _conversation(conversation_id: str, store: Store, owner: str, bytes_max: int) -> list[StoredItem]:
    page = await store.page_items(owner, conversation_id, bytes_max=bytes_max)
    if page is None:
        raise unknown_conversation(conversation_id)
    return page.items


def unknown_conversation(conversation_id: str) -> ApiError:
    """The error for a conversation that does not exist: 404."""
    # spec: openai-errors
    return not_found(f"Conversation with id '{conversation_id}' not found.")
