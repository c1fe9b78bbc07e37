"""The model of an engine: who runs, who waits, who is preempted, and which tokens of an input are cached."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dialects.synthetic.batching import Batch, Capacity, LoadFacts, PrefixCache, block_hashes
from requirements import shows


class Member:
    """A request that notes what happens to it."""

    def __init__(self, tokens: int, blocks: Sequence[int] = ()) -> None:
        self.held_tokens = tokens
        self.blocks = blocks
        self.is_running = False
        self.cached: list[int] = []

    def started(self, cached_tokens: int) -> None:
        assert not self.is_running
        self.is_running = True
        self.cached.append(cached_tokens)

    def preempted(self) -> None:
        assert self.is_running
        self.is_running = False


def arrived(batch: Batch, *tokens: int) -> list[Member]:
    members = [Member(count) for count in tokens]
    for member in members:
        batch.add(member)
    return members


def running(members: list[Member]) -> list[int]:
    return [at for at, member in enumerate(members) if member.is_running]


@shows("synthetic-load")
def test_a_batch_has_a_largest_size_and_a_queue() -> None:
    batch = Batch(Capacity(requests=2), LoadFacts())
    members = arrived(batch, 10, 10, 10, 10)
    assert (running(members), batch.running, batch.waiting) == ([0, 1], 2, 2)
    batch.remove(members[0])
    assert running(members[1:]) == [0, 1]
    batch.remove(members[3])
    batch.remove(members[3])
    assert (batch.running, batch.waiting) == (2, 0)


@shows("synthetic-load")
def test_a_request_that_does_not_fit_waits_and_so_do_those_behind_it() -> None:
    batch = Batch(Capacity(kv_tokens=100), LoadFacts())
    members = arrived(batch, 60, 50, 10)
    assert running(members) == [0]
    assert batch.kv_usage == 0.6
    batch.remove(members[0])
    assert running(members[1:]) == [0, 1]


def test_a_request_that_is_larger_than_the_cache_runs_alone() -> None:
    batch = Batch(Capacity(kv_tokens=100), LoadFacts())
    members = arrived(batch, 500, 10)
    assert running(members) == [0]
    batch.grow(members[0], 5)
    assert running(members) == [0]
    assert batch.kv_usage == 1.0


@shows("synthetic-load")
def test_the_last_to_start_is_preempted_and_the_first_to_start_again() -> None:
    totals = LoadFacts()
    batch = Batch(Capacity(kv_tokens=100), totals)
    members = arrived(batch, 40, 40, 20, 5)
    batch.grow(members[0], 10)
    assert (running(members), totals.preemptions_total) == ([0, 1], 1)
    batch.grow(members[1], 20)  # the one that grows is the last
    assert (running(members), totals.preemptions_total) == ([0], 2)
    batch.remove(members[0])
    assert running(members[1:]) == [0, 1, 2]
    assert members[1].held_tokens == 60


@given(st.lists(st.tuples(st.sampled_from("agr"), st.integers(0, 30)), max_size=60))
def test_the_batch_is_within_its_capacity(steps: list[tuple[str, int]]) -> None:
    capacity = Capacity(requests=3, kv_tokens=50)
    batch, members = Batch(capacity, LoadFacts()), []
    for step, number in steps:
        active = [member for member in members if member.is_running]
        if step == "a":
            members += arrived(batch, number + 1)
        elif step == "g" and active:
            batch.grow(active[number % len(active)], 1 + number)
        elif step == "r" and members:
            batch.remove(gone := members.pop(number % len(members)))
            gone.is_running = False
        active = [member for member in members if member.is_running]
        assert (batch.running, batch.waiting) == (len(active), len(members) - len(active))
        assert len(active) <= 3
        assert len(active) <= 1 or sum(member.held_tokens for member in active) <= 50
        assert active or not members  # nothing waits for nothing


@shows("synthetic-load")
def test_the_beginning_of_an_input_is_cached() -> None:
    totals = LoadFacts()
    batch = Batch(Capacity(cache_tokens=1_000), totals)
    turn = "You are a helpful assistant. " * 10
    first, second, other = [
        Member(80 + at, block_hashes(text, 1_000))
        for at, text in enumerate((turn, turn + "And then? " * 20, "X" + turn))
    ]
    for member in (first, second, other):
        batch.add(member)
    assert (first.cached, second.cached, other.cached) == ([0], [len(turn) // 64 * 16], [0])
    assert (totals.cache_queries_total, totals.cache_hits_total) == (80 + 81 + 82, 64)


def test_the_last_token_is_always_computed() -> None:
    batch = Batch(Capacity(cache_tokens=1_000), LoadFacts())
    members = [Member(32, block_hashes("a" * 128, 1_000)) for _ in range(2)]
    for member in members:
        batch.add(member)
    assert members[1].cached == [31]


def test_what_was_not_used_for_the_longest_time_is_evicted() -> None:
    cache = PrefixCache(4 * 16)
    assert [cache.take(blocks) for blocks in ([1, 2], [3, 4], [1, 2], [5], [1, 2], [3, 4])] == [0, 0, 32, 0, 32, 16]


@pytest.mark.parametrize(
    ("text", "tokens_max", "count"), [("", 99, 0), ("a" * 63, 99, 0), ("a" * 640, 99, 6), ("a" * 640, 999, 10)]
)
def test_whole_blocks_are_hashed_up_to_the_size_of_the_cache(text: str, tokens_max: int, count: int) -> None:
    hashes = block_hashes(text, tokens_max)
    assert len(set(hashes)) == len(hashes) == count
