"""Conversations: items in order and once, written by one response at a time, and only when it completes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conformance.kit import (
    EXPIRED,
    LATER,
    ME,
    NOW,
    OTHER,
    conversation,
    ended,
    fresh,
    ids,
    item,
    items,
    response,
    running,
)
from penstock.ports import ItemPage, Store, StoredConversation, StoredItem, StoredResponse

Stores = tuple[Store, Store]


async def talk(store: Store, some: list[StoredItem] | None = None, **fields: Any) -> StoredConversation:
    """A conversation that is there."""
    made = conversation(**fields)
    await store.save_conversation(made, some or [])
    return made


async def page(store: Store, known: StoredConversation, **how: Any) -> ItemPage:
    found = await store.page_items(known.owner, known.id, **how)
    assert found is not None
    return found


async def lock(store: Store, known: StoredConversation, writer: StoredResponse, now: float = NOW) -> bool:
    return await store.lock_conversation(known.id, writer=writer.id, now=now, until=now + 60)


# The conversation itself.


async def test_what_was_saved_is_there(stores: Stores) -> None:
    some = items(25)
    known = await talk(stores[0], some, metadata=b'{"a":"\xc3\xa4"}', expires_at=LATER)
    assert await stores[1].conversation(ME, known.id) == known
    assert await page(stores[1], known) == ItemPage(some, has_more=False)


async def test_metadata(stores: Stores) -> None:
    known = await talk(stores[0])
    assert await stores[1].update_conversation(ME, known.id, b'{"b":"c"}')
    changed = await stores[0].conversation(ME, known.id)
    assert changed is not None
    assert changed.metadata == b'{"b":"c"}'
    assert (changed.created_at, changed.owner) == (known.created_at, ME)


@pytest.mark.parametrize("why", ["missing", "foreign", "expired", "deleted"])
async def test_what_is_not_there_for_you_is_not_there(stores: Stores, why: str) -> None:
    store, other = stores
    known = conversation(owner=OTHER if why == "foreign" else ME, expires_at=EXPIRED if why == "expired" else None)
    some = items(2)
    if why != "missing":
        await store.save_conversation(known, some)
    if why == "deleted":
        assert await store.delete_conversation(ME, known.id)
    assert await other.conversation(ME, known.id) is None
    assert await other.page_items(ME, known.id) is None
    assert await other.update_conversation(ME, known.id, b"{}") is False
    assert await other.add_items(ME, known.id, items(1)) is False
    assert await other.item(ME, known.id, some[0].id) is None
    assert await other.delete_item(ME, known.id, some[0].id) is False
    assert await other.find_items(ME, ids(some)) == {}
    assert await other.delete_conversation(ME, known.id) is False
    if why == "foreign":
        assert await other.conversation(OTHER, known.id) == known
        assert await other.page_items(OTHER, known.id) == ItemPage(some, has_more=False)


async def test_deleting_leaves_the_items_of_responses(stores: Stores) -> None:
    known, turn = await talk(stores[0]), response()
    turn.conversation_id = known.id
    await lock(stores[0], known, turn)
    assert await stores[0].save(turn)
    assert await stores[1].delete_conversation(ME, known.id)
    assert await stores[0].response(ME, turn.id) == turn
    assert await stores[0].find_items(ME, ids(turn.input)) == {turn.input[0].id: turn.input[0].body}


# Its items, by pages.


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("number", [0, 1, 19, 20, 21, 40])
async def test_every_item_once_by_pages(stores: Stores, order: Any, number: int) -> None:
    some = items(number)
    known = await talk(stores[0], some)
    seen: list[StoredItem] = []
    while True:
        found = await page(stores[1], known, after=seen[-1].id if seen else None, limit=20, order=order)
        seen += found.items
        assert found.has_more is (len(seen) < number)
        assert len(found.items) == 20 or not found.has_more
        if not found.has_more:
            break
    assert seen == (some if order == "asc" else some[::-1])


async def test_pages_of_one(store: Store) -> None:
    known = await talk(store, some := items(3))
    assert await page(store, known, limit=1) == ItemPage(some[:1], has_more=True)
    assert await page(store, known, limit=1, after=some[1].id) == ItemPage(some[2:], has_more=False)
    assert await page(store, known, limit=1, after=some[2].id) == ItemPage([], has_more=False)
    assert await page(store, known, limit=1, order="desc", after=some[0].id) == ItemPage([], has_more=False)
    assert await page(store, known, order="desc", after=some[2].id) == ItemPage(some[1::-1], has_more=False)


async def test_behind_what_is_not_there_is_nothing(store: Store) -> None:
    known, other = await talk(store, items(3)), await talk(store, some := items(1))
    for after in ("msg_nowhere", "", some[0].id):
        assert await store.page_items(ME, known.id, after=after) is None
    await store.delete_item(ME, other.id, some[0].id)
    assert await store.page_items(ME, other.id, after=some[0].id) is None


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_stay_while_items_come(stores: Stores, order: Any) -> None:
    """A client that pages sees each item that was there, once and in order, whatever others add meanwhile."""
    some = items(100)
    known = await talk(stores[0], some)
    seen: list[StoredItem] = []

    async def add() -> None:
        for n in range(20):
            assert await stores[n % 2].add_items(ME, known.id, items(3))

    async def read() -> None:
        more = True
        while more:
            found = await page(stores[1], known, after=seen[-1].id if seen else None, limit=7, order=order)
            seen.extend(found.items)
            more = found.has_more
            await asyncio.sleep(0)

    await asyncio.gather(add(), read())
    there = {each.id for each in some}
    assert [each for each in seen if each.id in there] == (some if order == "asc" else some[::-1])
    assert len({each.id for each in seen}) == len(seen)


async def test_items_come_at_the_end_and_in_order(stores: Stores) -> None:
    """Each call's items stay together, however many call at once."""
    known = await talk(stores[0], first := items(2))
    added = [items(5) for _ in range(20)]
    assert all(await asyncio.gather(*(stores[n % 2].add_items(ME, known.id, some) for n, some in enumerate(added))))
    found = (await page(stores[0], known)).items
    assert found[:2] == first
    calls = [found[n : n + 5] for n in range(2, 102, 5)]
    assert sorted(map(ids, calls)) == sorted(map(ids, added))


async def test_many_items_at_once(store: Store) -> None:
    known = await talk(store, first := items(450))
    await store.add_items(ME, known.id, more := items(450))
    turn = response(conversation_id=known.id, input=items(450), output=items(450))
    await lock(store, known, turn)
    assert await store.save(turn)
    assert (await page(store, known)).items == first + more + turn.input + turn.output


async def test_an_item_is_there_once(store: Store) -> None:
    """One that comes again stays where it was and as it was."""
    known = await talk(store, [item("a", b"1"), item("b", b"1"), item("a", b"2")])
    await store.add_items(ME, known.id, [item("c", b"1"), item("b", b"2"), item("c", b"2"), item("d", b"1")])
    found = await page(store, known)
    assert found.items == [item(name, b"1") for name in "abcd"]


async def test_the_same_item_in_two_conversations(store: Store) -> None:
    one, other = await talk(store, [item("same", b"1")]), await talk(store, [item("same", b"1"), item("more")])
    assert await store.delete_item(ME, one.id, "same")
    assert (await page(store, one)).items == []
    assert ids((await page(store, other)).items) == ["same", "more"]
    assert await store.find_items(ME, ["same"]) == {"same": b"1"}


async def test_deleting_an_item(stores: Stores) -> None:
    known = await talk(stores[0], some := items(4))
    deleted = await asyncio.gather(*(stores[n % 2].delete_item(ME, known.id, some[1].id) for n in range(6)))
    assert sorted(deleted) == [False] * 5 + [True]
    assert await stores[1].delete_item(ME, known.id, "msg_nowhere") is False
    assert (await page(stores[1], known)).items == [some[0], *some[2:]]
    assert (await page(stores[1], known, after=some[0].id, limit=1)).items == [some[2]]
    assert await stores[1].find_items(ME, [some[1].id]) == {}


async def test_deleting_an_item_leaves_the_responses(store: Store) -> None:
    known = await talk(store)
    turn = response(conversation_id=known.id)
    await lock(store, known, turn)
    await store.save(turn)
    assert await store.delete_item(ME, known.id, turn.output[0].id)
    assert ids((await page(store, known)).items) == ids(turn.input)
    assert await store.response(ME, turn.id) == turn
    assert set(await store.find_items(ME, ids(turn.output))) == set(ids(turn.output))


async def test_what_was_deleted_may_come_again_at_the_end(store: Store) -> None:
    known = await talk(store, some := items(3))
    for each in (some[2], some[0]):
        await store.delete_item(ME, known.id, each.id)
    await store.add_items(ME, known.id, [some[0], some[2]])
    assert (await page(store, known)).items == [some[1], some[0], some[2]]


async def test_one_item_by_its_id(stores: Stores) -> None:
    """The one of this conversation, among many, and of no other one."""
    known = await talk(stores[0], [*items(1_200), item("mine", b"1"), item("gone")])
    other = await talk(stores[0], [item("mine", b"2"), item("other")])
    assert await stores[1].item(ME, known.id, "mine") == b"1"
    assert await stores[1].item(ME, other.id, "mine") == b"2"
    for item_id in ("other", "msg_nowhere", ""):
        assert await stores[1].item(ME, known.id, item_id) is None
    await stores[0].delete_item(ME, known.id, "gone")
    assert await stores[1].item(ME, known.id, "gone") is None


# Who may write.


async def test_one_writer_at_a_time(stores: Stores) -> None:
    known, one, other = await talk(stores[0]), running(), running()
    assert await lock(stores[0], known, one)
    assert await lock(stores[1], known, other) is False
    assert await lock(stores[1], known, one, NOW + 30)
    assert await lock(stores[0], known, other, NOW + 89) is False
    await stores[0].unlock_conversation(known.id, writer=other.id)
    assert await lock(stores[0], known, other, NOW + 30) is False
    await stores[0].unlock_conversation(known.id, writer=one.id)
    assert await lock(stores[1], known, other)
    await stores[1].unlock_conversation(fresh("conv"), writer=other.id)


async def test_a_lock_ends_with_its_writer(stores: Stores) -> None:
    known, one, other = await talk(stores[0]), running(), running()
    assert await lock(stores[0], known, one)
    assert await lock(stores[1], known, other, NOW + 60)
    assert await lock(stores[0], known, one, NOW + 60) is False


@pytest.mark.parametrize("why", ["missing", "expired", "deleted"])
async def test_no_client_writes_to_what_is_not_there(store: Store, why: str) -> None:
    known = conversation(expires_at=EXPIRED if why == "expired" else None)
    if why != "missing":
        await store.save_conversation(known, [])
    if why == "deleted":
        await store.delete_conversation(ME, known.id)
    assert await lock(store, known, running()) is False


async def test_one_of_many_locks(stores: Stores) -> None:
    known, rows = await talk(stores[0]), [running() for _ in range(20)]
    locked = await asyncio.gather(*(lock(stores[n % 2], known, row) for n, row in enumerate(rows)))
    assert sum(locked) == 1


# What completes in it.


async def test_completion_adds_the_turn(stores: Stores) -> None:
    known = await talk(stores[0], before := items(2))
    turn = running(conversation_id=known.id, background=False, input=items(2))
    await lock(stores[0], known, turn)
    assert await stores[0].save(turn)
    assert (await page(stores[1], known)).items == before
    end = ended(turn, output=items(2))
    assert await stores[0].settle(end)
    assert (await page(stores[1], known)).items == before + turn.input + end.output
    stored = await stores[1].response(ME, turn.id)
    assert stored is not None
    assert stored.conversation_id == known.id


async def test_saving_what_has_completed_adds_the_turn(stores: Stores) -> None:
    known = await talk(stores[0], before := items(1))
    turn = response(conversation_id=known.id)
    await lock(stores[1], known, turn)
    assert await stores[0].save(turn)
    assert (await page(stores[1], known)).items == before + turn.input + turn.output


@pytest.mark.parametrize("status", ["incomplete", "failed", "cancelled"])
async def test_only_completion_adds_the_turn(store: Store, status: Any) -> None:
    known = await talk(store)
    turn = running(conversation_id=known.id)
    await lock(store, known, turn)
    await store.save(turn)
    assert await store.settle(ended(turn, status))
    assert await store.save(response(conversation_id=known.id, status=status))
    assert (await page(store, known)).items == []


async def test_who_is_not_the_writer_does_not_complete(stores: Stores) -> None:
    known, writer = await talk(stores[0]), running()
    turn, saved = running(conversation_id=known.id), response(conversation_id=known.id)
    await stores[0].save(turn)
    for _ in range(2):
        assert await stores[0].settle(ended(turn)) is False
        assert await stores[1].save(saved) is False
        await lock(stores[1], known, writer)
    assert await stores[1].response(ME, turn.id) == turn
    assert await stores[1].response(ME, saved.id) is None
    assert await stores[1].find_items(ME, ids(saved.input + saved.output)) == {}
    assert (await page(stores[1], known)).items == []
    assert await stores[0].settle(ended(turn, "failed"))


async def test_a_writer_whose_time_is_up_completes_if_none_took_over(stores: Stores) -> None:
    known = await talk(stores[0])
    late, beaten = response(conversation_id=known.id), response(conversation_id=known.id)
    await lock(stores[0], known, beaten, NOW - 999)
    await lock(stores[1], known, late, NOW - 500)
    assert await stores[0].save(beaten) is False
    assert await stores[0].save(late)


async def test_who_unlocked_does_not_complete(store: Store) -> None:
    known = await talk(store)
    turn = response(conversation_id=known.id)
    await lock(store, known, turn)
    await store.unlock_conversation(known.id, writer=turn.id)
    assert await store.save(turn) is False


@pytest.mark.parametrize("why", ["missing", "foreign", "deleted"])
async def test_nothing_completes_in_a_conversation_that_is_gone(stores: Stores, why: str) -> None:
    known = conversation(owner=OTHER if why == "foreign" else ME)
    turn = running(conversation_id=known.id)
    if why != "missing":
        await stores[0].save_conversation(known, [])
        await lock(stores[0], known, turn)
    if why == "deleted":
        await stores[1].delete_conversation(ME, known.id)
    assert await stores[0].save(turn)
    assert await stores[0].settle(ended(turn)) is False
    assert await stores[0].save(response(conversation_id=known.id)) is False
    assert await stores[1].response(ME, turn.id) == turn


async def test_a_turn_that_repeats_what_is_there(store: Store) -> None:
    """An item that the conversation has already stays where it is; the response has it too."""
    known = await talk(store, before := items(2))
    turn = response(conversation_id=known.id, input=[before[1], item("new")])
    await lock(store, known, turn)
    assert await store.save(turn)
    assert ids((await page(store, known)).items) == ids([*before, item("new"), *turn.output])
    assert await store.response(ME, turn.id) == turn


async def test_deleting_a_response_leaves_the_conversation(stores: Stores) -> None:
    known = await talk(stores[0])
    turn = response(conversation_id=known.id)
    await lock(stores[0], known, turn)
    await stores[0].save(turn)
    assert await stores[1].delete_response(ME, turn.id)
    assert (await page(stores[0], known)).items == turn.input + turn.output
    assert set(await stores[0].find_items(ME, ids(turn.input + turn.output))) == set(ids(turn.input + turn.output))


async def test_turns_in_one_conversation_follow_each_other(stores: Stores) -> None:
    """Twenty want to write; each waits for its turn, and no two are mixed."""
    known, turns = await talk(stores[0]), [running() for _ in range(20)]

    async def write(store: Store, turn: StoredResponse) -> StoredResponse:
        turn.conversation_id = known.id
        while not await lock(store, known, turn):  # noqa: ASYNC110 - as a client does that gets 409 and tries again
            await asyncio.sleep(0.001)
        await store.save(turn)
        end = ended(turn, output=items(2))
        assert await store.settle(end)
        await store.unlock_conversation(known.id, writer=turn.id)
        return end

    ends = await asyncio.gather(*(write(stores[n % 2], turn) for n, turn in enumerate(turns)))
    found = ids((await page(stores[0], known)).items)
    calls = [found[n : n + 3] for n in range(0, 60, 3)]
    assert sorted(calls) == sorted(ids(end.input + end.output) for end in ends)
