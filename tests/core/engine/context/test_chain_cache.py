"""Turns of chains that are held in memory: each is read once, and the store returns which of them a chain has."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.engine.context.chain_cache import ChainCache, SizedItems
from penstock.json_codec import encode
from penstock.ports import StoredItem, StoredResponse, TooManyBytes
from penstock.wire import Message
from requirements import shows

ROOM = 10_000


def turn(number: int, **fields: Any) -> StoredResponse:
    """A turn of one item, as a chain has it."""
    body = encode(Message(role="user", content=f"Turn {number}"))
    begun: dict[str, Any] = {"id": f"resp_{number}", "owner": "me", "status": "completed", "created_at": 1, "body": b""}
    return StoredResponse(**begun | {"input": [StoredItem(f"msg_{number}", body)]} | fields)


def without_known(chain: list[StoredResponse], known: Container[str]) -> list[StoredResponse]:
    """What a store may give."""
    return [replace(each, input=[]) if each.id in known else each for each in chain]


def read(turns: ChainCache, *chain: StoredResponse, bytes_max: int = ROOM) -> SizedItems:
    known = turns.known()
    return asyncio.run(turns.read(without_known(list(chain), known), known, bytes_max))


def texts(found: SizedItems) -> list[Any]:
    return [item.content for item in found.items if isinstance(item, Message)]


@shows("turns-read-once")
def test_a_turn_is_read_and_decoded_once() -> None:
    turns, chain = ChainCache(ROOM), [turn(n) for n in range(3)]
    first = read(turns, *chain[:2])
    second = read(turns, *chain)
    assert texts(second) == ["Turn 0", "Turn 1", "Turn 2"]
    assert all(old is new for old, new in zip(first.items, second.items, strict=False))
    assert second.size == sum(len(each.input[0].body) for each in chain)
    assert all(each.id in turns.known() for each in chain)


@shows("turns-read-once")
def test_a_chain_has_the_turns_that_the_store_returns() -> None:
    """Whatever is held: one that was deleted or has expired is in no chain, and not in its size."""
    turns, chain = ChainCache(ROOM), [turn(n) for n in range(3)]
    read(turns, *chain)
    rest = read(turns, *chain[1:])
    assert texts(rest) == ["Turn 1", "Turn 2"]
    assert rest.size == sum(len(each.input[0].body) for each in chain[1:])


def test_a_turn_that_has_not_ended_is_not_held() -> None:
    turns = ChainCache(ROOM)
    read(turns, turn(1, status="in_progress"), turn(2))
    assert "resp_1" not in turns.known()
    assert "resp_2" in turns.known()


def test_what_was_known_when_the_store_was_asked_is_there_when_it_answers() -> None:
    turns, one = ChainCache(ROOM), turn(1)
    read(turns, one)
    known = turns.known()
    answer = without_known([one], known)
    turns.forget(one.id)
    assert texts(asyncio.run(turns.read(answer, known, ROOM))) == ["Turn 1"]


def test_a_store_may_read_all_the_same() -> None:
    turns, one = ChainCache(ROOM), turn(1)
    read(turns, one)
    assert texts(asyncio.run(turns.read([one], turns.known(), ROOM))) == ["Turn 1"]


def test_the_least_recently_used_one_is_evicted() -> None:
    turns, chain = ChainCache(1_500), [turn(n) for n in range(3)]  # room for two
    for each in (chain[0], chain[1], chain[0], chain[2]):
        read(turns, each)
    assert [each.id in turns.known() for each in chain] == [True, False, True]


def test_a_chain_that_has_no_room_pushes_nothing_out() -> None:
    turns, chain = ChainCache(1_500), [turn(n) for n in range(4)]
    read(turns, chain[0])
    assert texts(read(turns, *chain[1:])) == ["Turn 1", "Turn 2", "Turn 3"]
    assert [each.id in turns.known() for each in chain] == [True, False, False, False]


def test_nothing_is_held_without_room() -> None:
    turns = ChainCache(1)
    assert texts(read(turns, turn(1))) == ["Turn 1"]
    assert "resp_1" not in turns.known()


def test_turns_that_are_held_count_as_bytes_too() -> None:
    turns, chain = ChainCache(ROOM), [turn(n) for n in range(2)]
    size = read(turns, *chain).size
    assert read(turns, *chain, bytes_max=size).size == size
    with pytest.raises(TooManyBytes):
        read(turns, *chain, bytes_max=size - 1)


def test_a_turn_without_items_is_a_turn() -> None:
    turns = ChainCache(ROOM)
    for _ in range(2):
        assert texts(read(turns, turn(1, input=[]), turn(2))) == ["Turn 2"]
