"""Chains: the response and all before it, each item once and in order; and items by their ids alone."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from conformance.kit import EXPIRED, LATER, ME, OTHER, conversation, fresh, ids, item, items, response, running
from penstock.ports import ChainTooLong, Store, StoredItem, StoredResponse, TooManyBytes
from requirements import shows

Stores = tuple[Store, Store]


def link(rows: list[StoredResponse]) -> list[StoredResponse]:
    """Each follows the one before."""
    for before, row in pairwise(rows):
        row.previous_response_id = before.id
    return rows


async def save_chain(store: Store, length: int, *, at_once: int = 200, **fields: object) -> list[StoredResponse]:
    """Responses that follow each other. They are saved side by side: no link has to come first."""
    rows = link([response(**fields) for _ in range(length)])
    for start in range(0, length, at_once):
        await asyncio.gather(*(store.save(row) for row in rows[start : start + at_once]))
    return rows


def summaries(chain: list[StoredResponse]) -> list[tuple[object, ...]]:
    """What a chain contains of each response."""
    return [(r.id, r.status, r.previous_response_id, r.conversation_id, r.input, r.output) for r in chain]


async def test_a_chain_of_one(store: Store) -> None:
    known = response(input=items(3), output=items(2))
    await store.save(known)
    assert summaries(await store.chain(ME, known.id, responses_max=1)) == summaries([known])


async def test_each_item_once_and_in_order(stores: Stores) -> None:
    rows = [response(input=items(3 + n), output=items(n)) for n in range(4)]
    rows[1].input += [rows[0].input[0], item("twice"), item("twice")]
    link(rows)
    for row in rows:
        await stores[0].save(row)
    for end in range(1, 5):
        assert summaries(await stores[1].chain(ME, rows[end - 1].id, responses_max=4)) == summaries(rows[:end])


async def test_more_than_ten_items_keep_their_order(store: Store) -> None:
    """Positions are numbers, not text."""
    known = response(input=items(120), output=items(120))
    await store.save(known)
    assert summaries(await store.chain(ME, known.id, responses_max=1)) == summaries([known])


@shows("turns-read-once")
async def test_turns_that_are_known_are_in_the_chain_with_their_items_or_without(store: Store) -> None:
    rows = await save_chain(store, 4)
    known = {rows[0].id, rows[2].id, "resp_of_another_chain"}
    chain = await store.chain(ME, rows[-1].id, responses_max=4, known=known)
    assert summaries(chain[1::2]) == summaries(rows[1::2])
    for link_, row in zip(chain, rows, strict=True):
        assert (link_.id, link_.status, link_.previous_response_id) == (row.id, row.status, row.previous_response_id)
        assert (link_.input, link_.output) in ([(row.input, row.output)] + [([], [])] * (row.id in known))


async def test_branches(store: Store) -> None:
    """Two answers to one turn know nothing of each other."""
    root = response()
    twigs = [response(previous_response_id=root.id) for _ in range(2)]
    for row in (root, *twigs):
        await store.save(row)
    for twig in twigs:
        assert ids(await store.chain(ME, twig.id, responses_max=9)) == [root.id, twig.id]


async def test_every_status_is_reported(store: Store) -> None:
    """The engine decides whether one may be followed."""
    rows = [response(status="failed", output=[]), running(), response(status="cancelled")]
    link(rows)
    for row in rows:
        await store.save(row)
    assert summaries(await store.chain(ME, rows[-1].id, responses_max=3)) == summaries(rows)


async def test_the_limit(store: Store) -> None:
    rows = await save_chain(store, 5)
    assert ids(await store.chain(ME, rows[-1].id, responses_max=5)) == ids(rows)
    assert ids(await store.chain(ME, rows[3].id, responses_max=4)) == ids(rows[:4])
    with pytest.raises(ChainTooLong):
        await store.chain(ME, rows[-1].id, responses_max=4)


@pytest.mark.parametrize("how", ["deleted", "expired", "foreign", "never there"])
async def test_a_link_that_is_gone_ends_the_chain(store: Store, how: str) -> None:
    rows = link([response() for _ in range(5)])
    rows[2].owner = OTHER if how == "foreign" else ME
    rows[2].expires_at = EXPIRED if how == "expired" else LATER
    for n, row in enumerate(rows):
        if n != 2 or how != "never there":
            await store.save(row)
    if how == "deleted":
        await store.delete_response(ME, rows[2].id)
    assert summaries(await store.chain(ME, rows[-1].id, responses_max=2)) == summaries(rows[3:])
    assert await store.chain(ME, rows[2].id, responses_max=5) == []


async def test_a_ring_ends_at_the_limit(store: Store) -> None:
    """No engine's row is its own ancestor; if one was, no process would hang."""
    rows = [response() for _ in range(2)]
    rows[0].previous_response_id, rows[1].previous_response_id = rows[1].id, rows[0].id
    for row in rows:
        await store.save(row)
    with pytest.raises(ChainTooLong):
        await store.chain(ME, rows[0].id, responses_max=50)


async def test_three_thousand_responses_stay_linear(store: Store) -> None:
    """Ten times as long costs about ten times as much; the bound is generous, since the machine is shared."""
    rows = await save_chain(store, 3_000)
    assert summaries(await store.chain(ME, rows[-1].id, responses_max=3_000)) == summaries(rows)
    short, long = [await _best_s(store, rows[length - 1].id) for length in (300, 3_000)]
    assert long < max(short, 0.003) * 40


async def _best_s(store: Store, response_id: str) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        await store.chain(ME, response_id, responses_max=3_000)
        times.append(time.perf_counter() - start)
    return min(times)


# Items.


async def test_items_of_responses_and_conversations(stores: Stores) -> None:
    done, runs, talk, talked = response(output=items(2)), running(), conversation(), items(2)
    await stores[0].save(done)
    await stores[0].save(runs)
    await stores[0].save_conversation(talk, talked)
    there = [*done.input, *done.output, *runs.input, *talked]
    found = await stores[1].find_items(ME, [*ids(there), "msg_nowhere"])
    assert found == {each.id: each.body for each in there}
    assert await stores[1].find_items(ME, []) == {}


async def test_items_of_another_owner(store: Store) -> None:
    """Two owners' items may have the same id: clients may name theirs as they like."""
    mine, theirs = item("msg_shared", b"mine"), item("msg_shared", b"theirs")
    only_theirs, talked = item(), item()
    await store.save(response(input=[mine]))
    await store.save(response(owner=OTHER, input=[theirs, only_theirs]))
    await store.save_conversation(conversation(owner=OTHER), [talked])
    assert await store.find_items(ME, {"msg_shared", only_theirs.id, talked.id}) == {"msg_shared": b"mine"}
    assert (await store.find_items(OTHER, {"msg_shared"})) == {"msg_shared": b"theirs"}


async def test_items_of_what_has_expired(store: Store) -> None:
    gone, talked = response(expires_at=EXPIRED), items(1)
    await store.save(gone)
    await store.save_conversation(conversation(expires_at=EXPIRED), talked)
    assert await store.find_items(ME, ids([*gone.input, *gone.output, *talked])) == {}


async def test_an_item_with_two_owners_stays_until_both_are_deleted(store: Store) -> None:
    shared = item()
    rows = [response(input=[shared]) for _ in range(2)]
    talk = conversation()
    await store.save_conversation(talk, [shared])
    for row in rows:
        await store.save(row)
        await store.delete_response(ME, row.id)
        assert await store.find_items(ME, [shared.id]) == {shared.id: shared.body}
    await store.delete_conversation(ME, talk.id)
    assert await store.find_items(ME, [shared.id]) == {}


async def test_items_of_a_settled_response(store: Store) -> None:
    """What was generated on the way and is no longer in the output is nowhere."""
    known, draft, last = running(), items(1), items(1)
    await store.save(known)
    await store.settle(response(id=known.id, status="in_progress", output=draft))
    assert set(await store.find_items(ME, ids(draft + known.input))) == set(ids(draft + known.input))
    await store.settle(response(id=known.id, status="failed", output=last))
    assert set(await store.find_items(ME, ids(draft + last + known.input))) == set(ids(last + known.input))


async def test_a_thousand_items_at_once(store: Store) -> None:
    known = response(input=items(1_000))
    await store.save(known)
    assert len(await store.find_items(ME, ids(known.input) + [fresh("msg") for _ in range(1_000)])) == 1_000


# Bytes.


def large(count: int, size: int) -> list[StoredItem]:
    """Items of so many bytes each."""
    return [StoredItem(one.id, one.body[:-1] + b" " * (size - len(one.body)) + b"}") for one in items(count)]


async def test_no_more_bytes_of_a_chain_are_read_than_may_be(store: Store) -> None:
    rows = link([response(input=large(2, 1_000), output=large(1, 1_000)) for _ in range(3)])
    for row in rows:
        await store.save(row)
    assert summaries(await store.chain(ME, rows[-1].id, responses_max=9, bytes_max=9_000)) == summaries(rows)
    with pytest.raises(TooManyBytes):
        await store.chain(ME, rows[-1].id, responses_max=9, bytes_max=8_999)
    assert summaries(await store.chain(ME, rows[0].id, responses_max=9, bytes_max=3_000)) == summaries(rows[:1])
    empty = response(input=[], output=[])
    await store.save(empty)
    assert summaries(await store.chain(ME, empty.id, responses_max=9, bytes_max=0)) == summaries([empty])


async def test_no_more_bytes_of_items_are_read_than_may_be(store: Store) -> None:
    known = response(input=large(3, 1_000))
    await store.save(known)
    wanted = {one.id: one.body for one in known.input}
    assert await store.find_items(ME, wanted, bytes_max=3_000) == wanted
    with pytest.raises(TooManyBytes):
        await store.find_items(ME, wanted, bytes_max=2_999)
    assert await store.find_items(OTHER, wanted, bytes_max=0) == {}


async def test_no_more_bytes_of_a_conversation_are_read_than_may_be(store: Store) -> None:
    known = conversation()
    many = large(4, 1_000)
    await store.save_conversation(known, many)
    page = await store.page_items(ME, known.id, bytes_max=4_000)
    assert page is not None and page.items == many
    with pytest.raises(TooManyBytes):
        await store.page_items(ME, known.id, bytes_max=3_999)
    bare = conversation()
    await store.save_conversation(bare, [])
    page = await store.page_items(ME, bare.id, bytes_max=0)
    assert page is not None and page.items == []
