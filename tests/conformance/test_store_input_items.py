"""The items that a response was made from, by pages: each once, in either order, and no more of them than a page."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from conformance.kit import EXPIRED, ME, OTHER, ids, item, items, response
from conformance.test_store_chains import link, save_chain
from penstock.ports import ChainTooLong, ItemPage, Store, StoredItem, StoredResponse
from requirements import shows

Stores = tuple[Store, Store]

BODY_BYTES = 20_000
PAGE_BYTES_MAX = 700_000
"""More than a page of two such bodies needs in any engine, of which asyncio takes 256 kB for one read of a socket; and
less than a tenth of the chain."""


async def page(store: Store, known: StoredResponse, **how: Any) -> ItemPage:
    found = await store.page_input_items(known.owner, known.id, **{"responses_max": 100, "limit": 100} | how)
    assert found is not None
    return found


async def turns(store: Store) -> tuple[StoredResponse, list[StoredItem]]:
    """A response at the end of a chain, some of whose turns have no items, and the items that it was made from."""
    rows = [response(input=items(n % 3), output=items(n % 4)) for n in range(9)]
    rows[-1].input, rows[-1].output = items(12), items(2)
    for row in link(rows):
        await store.save(row)
    return rows[-1], [each for row in rows[:-1] for each in (*row.input, *row.output)] + rows[-1].input


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 7, 30])
async def test_every_input_item_once_by_pages(stores: Stores, limit: int, order: Any) -> None:
    known, expected = await turns(stores[0])
    seen: list[StoredItem] = []
    has_more = True
    while has_more:
        found = await page(stores[1], known, after=seen[-1].id if seen else None, limit=limit, order=order)
        assert len(found.items) == limit or not found.has_more
        seen, has_more = seen + found.items, found.has_more
        assert has_more is (len(seen) < len(expected))
    assert seen == (expected if order == "asc" else expected[::-1])


async def test_a_response_without_input_has_an_empty_page(store: Store) -> None:
    known = response(input=[])
    await store.save(known)
    assert await page(store, known) == ItemPage([], has_more=False)


async def test_behind_the_last_item_is_an_empty_page(store: Store) -> None:
    known, expected = await turns(store)
    assert await page(store, known, after=expected[-1].id) == ItemPage([], has_more=False)
    assert await page(store, known, after=expected[0].id, order="desc") == ItemPage([], has_more=False)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_of_an_id_that_comes_again_the_first_counts(store: Store, order: Any) -> None:
    twice = item("twice")
    rows = link([response(input=[*items(1), twice, *items(2), twice]), response(input=[twice, *items(1)])])
    for row in rows:
        await store.save(row)
    listed = [*rows[0].input, *rows[0].output, *rows[1].input]
    ordered = listed if order == "asc" else listed[::-1]
    behind = ordered[ids(ordered).index(twice.id) + 1 :]
    assert (await page(store, rows[1], after=twice.id, order=order)).items == behind


async def test_behind_what_is_not_there_is_nothing(store: Store) -> None:
    known, _ = await turns(store)
    other = response()
    await store.save(other)
    for after in ("msg_nowhere", "", other.input[0].id, known.output[0].id):
        for order in ("asc", "desc"):
            how: Any = {"after": after, "order": order}
            assert await store.page_input_items(ME, known.id, responses_max=100, limit=5, **how) is None


@pytest.mark.parametrize("why", ["missing", "foreign", "expired", "deleted"])
async def test_what_is_not_there_for_you_is_not_there(stores: Stores, why: str) -> None:
    known = response(owner=OTHER if why == "foreign" else ME, expires_at=EXPIRED if why == "expired" else None)
    if why != "missing":
        await stores[0].save(known)
    if why == "deleted":
        await stores[0].delete_response(ME, known.id)
    assert await stores[1].page_input_items(ME, known.id, responses_max=1, limit=1) is None


async def test_a_link_that_is_gone_ends_the_list(store: Store) -> None:
    rows = await save_chain(store, 4)
    await store.delete_response(ME, rows[1].id)
    assert (await page(store, rows[3])).items == [*rows[2].input, *rows[2].output, *rows[3].input]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("after", [None, "msg_nowhere"])
async def test_a_chain_that_is_too_long(store: Store, order: Any, after: str | None) -> None:
    rows = await save_chain(store, 5)
    assert len((await page(store, rows[4], responses_max=5)).items) == 9
    with pytest.raises(ChainTooLong):
        await store.page_input_items(ME, rows[4].id, responses_max=4, limit=1, order=order, after=after)


@shows("pages-cost-a-page")
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("is_first", [True, False])
async def test_a_page_takes_the_memory_of_a_page(store: Store, order: Any, is_first: bool) -> None:
    """A chain of 10 MB, of which two items are asked for."""
    rows = link([response(input=[large()], output=[large()]) for _ in range(250)])
    for row in rows:
        await store.save(row)
    after = None if is_first else rows[125].input[0].id
    await page(store, rows[1], limit=2, order=order, responses_max=300)  # what is made once is made
    tracemalloc.start()
    found = await page(store, rows[-1], limit=2, order=order, after=after, responses_max=300)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(each.body) for each in found.items] == [BODY_BYTES] * 2
    assert peak < PAGE_BYTES_MAX


def large() -> StoredItem:
    return item(body=b"x" * BODY_BYTES)
