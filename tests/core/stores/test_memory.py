"""What is the memory store's own: its bounds. What every store does is in the conformance suite."""

from __future__ import annotations

from conformance.kit import ME, batch, claimed, conversation, ended, items, response, running
from core.kit import at_once
from penstock.ids import now_s
from penstock.ports import Store, StoredResponse
from penstock.stores.memory import MemoryStore
from requirements import shows


def there(store: Store, rows: list[StoredResponse]) -> list[bool]:
    """Which of them are, without using any."""
    return [row.id in store._table.entries for row in rows]  # type: ignore[attr-defined]


def saved(store: Store, number: int, **fields: object) -> list[StoredResponse]:
    rows = [response(**fields) for _ in range(number)]
    assert all(at_once(store.save(row)) for row in rows)
    return rows


def test_the_oldest_goes() -> None:
    rows = saved(store := MemoryStore(responses_max=3), 5)
    assert there(store, rows) == [False, False, True, True, True]
    assert at_once(store.response(ME, rows[0].id)) is None
    assert at_once(store.find_items(ME, [rows[0].input[0].id])) == {}
    assert at_once(store.stats())["responses"] == 3


def test_what_is_used_stays() -> None:
    rows = saved(store := MemoryStore(responses_max=3), 3)
    at_once(store.response(ME, rows[0].id))
    at_once(store.find_items(ME, [rows[1].input[0].id]))
    rows += saved(store, 1)
    assert there(store, rows) == [True, True, False, True]
    at_once(store.chain(ME, rows[0].id, responses_max=1))
    rows += saved(store, 1)
    assert there(store, rows) == [True, False, False, True, True]


def test_what_runs_stays() -> None:
    """However much there is: how many run is bounded elsewhere."""
    store = MemoryStore(responses_max=2)
    rows = [running() for _ in range(4)]
    for row in rows:
        at_once(store.save(row))
    assert there(store, rows) == [True] * 4
    at_once(store.settle(ended(rows[1])))
    assert there(store, rows) == [True, False, True, True]
    at_once(store.save(done := response()))
    assert there(store, [*rows, done]) == [True, False, True, True, False]


def test_conversations_count_and_go_too() -> None:
    store = MemoryStore(responses_max=3)
    talks = [conversation() for _ in range(3)]
    for talk in talks:
        at_once(store.save_conversation(talk, items(2)))
    writer = running()
    at_once(store.lock_conversation(talks[0].id, writer=writer.id, now=now_s(), until=now_s() + 60))
    saved(store, 2)
    assert at_once(store.conversation(ME, talks[0].id)) == talks[0]
    assert at_once(store.conversation(ME, talks[1].id)) is None
    at_once(store.unlock_conversation(talks[0].id, writer=writer.id))
    saved(store, 3)
    assert at_once(store.stats())["conversations"] == 0


@shows("bounded-stores", "memory")
def test_bytes_are_bounded() -> None:
    store = MemoryStore(bytes_max=100_000)
    rows = saved(store, 30, body=b"x" * 10_000)
    assert 5 <= sum(there(store, rows)) <= 9
    assert at_once(store.stats())["bytes"] <= 100_000


def test_items_and_events_are_weighed() -> None:
    store = MemoryStore(bytes_max=100_000)
    rows = saved(store, 10)
    at_once(store.save(known := running()))
    claim = at_once(claimed(store, known))
    while at_once(store.stats())["bytes"] < 99_000:
        at_once(store.append_events(claim, batch(0, 50)))
    at_once(store.append_events(claim, batch(0, 1_000)))
    assert there(store, [*rows[:4], known]) == [False] * 4 + [True]
    talk = conversation()
    at_once(store.save_conversation(talk, []))
    at_once(store.add_items(ME, talk.id, items(1_000)))
    assert at_once(store.conversation(ME, talk.id)) is None


def test_a_store_that_is_emptied_weighs_nothing() -> None:
    store = MemoryStore()
    talk = conversation()
    at_once(store.save_conversation(talk, some := items(5)))
    at_once(store.update_conversation(ME, talk.id, b'{"a":"longer"}'))
    at_once(store.delete_item(ME, talk.id, some[2].id))
    at_once(store.save(known := running(request=b"x" * 1_000)))
    at_once(store.append_events(at_once(claimed(store, known)), batch(0, 9)))
    at_once(store.settle(ended(known, output=items(4))))
    at_once(store.delete_conversation(ME, talk.id))
    at_once(store.delete_response(ME, known.id))
    assert not any(at_once(store.stats()).values())
