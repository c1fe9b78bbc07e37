"""Answers under load, in virtual time: the queue, the batch, the caches, and what they do to the times of tokens."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from core import kit
from core.engine.upstreams.synthetic.test_pacing import times_s
from penstock.dialects.synthetic.batching import LoadFacts
from penstock.engine.upstreams.synthetic.upstream import SyntheticUpstream
from penstock.transcript.deltas import UsageDelta
from requirements import shows
from support import virtual_time
from support.virtual_time import loop

LATE_S = 0.003


async def opened(upstream: SyntheticUpstream, options: str, text: str = "Which way?", **asked: Any) -> Any:
    request = {"model": f"synthetic?{options}", "input": text, "stream": True, "max_output_tokens": 20} | asked
    return await upstream.open(kit.plan(**request).turn)


async def read(deltas: Any) -> list[float]:
    """When each token came. Like a run, it closes the answer at its end."""
    try:
        return await times_s(deltas)
    finally:
        await deltas.aclose()


async def usage_of(deltas: Any) -> Any:
    found = [delta.usage async for batch in deltas for delta in batch if isinstance(delta, UsageDelta)]
    await deltas.aclose()
    return found[0]


@shows("synthetic-load")
def test_tokens_are_slower_in_a_larger_batch() -> None:
    async def main() -> list[list[float]]:
        upstream = SyntheticUpstream()
        return await asyncio.gather(*[read(await opened(upstream, "itl_ms=20&itl_slope_ms=5")) for _ in range(3)])

    for times in virtual_time.run(main()):
        assert [later - time_s for time_s, later in pairwise(times)] == pytest.approx([0.03] * 19, abs=LATE_S)


@shows("synthetic-load")
def test_a_long_input_takes_longer_unless_it_is_cached() -> None:
    async def main() -> tuple[list[float], list[Any], LoadFacts]:
        upstream, firsts, usages = SyntheticUpstream(), [], []
        for text in ("word " * 4_000, "word " * 4_000 + "More?"):
            began_s = loop().time()
            deltas = await opened(upstream, "ttft_ms=10&prefill_ms=100&cache_tokens=100000", text)
            await anext(deltas)
            firsts.append(loop().time() - began_s)
            await deltas.aclose()
            deltas = await opened(upstream, "cache_tokens=100000", text + "Less?")
            usages.append(await usage_of(deltas))
        return firsts, usages, upstream.load()

    [cold_s, warm_s], usages, facts = virtual_time.run(main())
    assert cold_s == pytest.approx(0.01 + 5.005 * 0.1, abs=LATE_S)
    assert warm_s < 0.02
    assert [usage.input_tokens_details.cached_tokens for usage in usages] == [4992, 4992]
    assert facts.cache_hits_total == 3 * 4992
    assert facts.cache_queries_total > facts.cache_hits_total


@shows("synthetic-load")
def test_requests_wait_in_a_queue() -> None:
    async def main() -> tuple[list[list[float]], LoadFacts]:
        upstream = SyntheticUpstream()
        answers = [await opened(upstream, "ttft_ms=100&itl_ms=10&batch_max=2") for _ in range(5)]
        facts = upstream.load()
        times = await asyncio.gather(*map(read, answers))
        assert (upstream.load().running, upstream.load().waiting) == (0, 0)
        return times, facts

    times, facts = virtual_time.run(main())
    assert (facts.running, facts.waiting) == (2, 3)
    whole_s = 0.1 + 19 * 0.01
    assert [each[0] for each in times] == pytest.approx(
        [0.1, 0.1, whole_s + 0.1, whole_s + 0.1, 2 * whole_s + 0.1], abs=4 * LATE_S
    )


@shows("synthetic-load")
@pytest.mark.parametrize("stream", [True, False])
def test_a_full_cache_preempts_and_no_token_is_lost(stream: bool) -> None:
    options = "itl_ms=10&prefill_ms=1&kv_tokens=70"

    async def main() -> tuple[list[int], LoadFacts, float]:
        upstream = SyntheticUpstream()
        answers = [await opened(upstream, options, stream=stream, max_output_tokens=30) for _ in range(3)]
        facts = upstream.load()
        assert facts.kv_usage > 0.2
        usages = await asyncio.wait_for(asyncio.gather(*map(usage_of, answers)), 60)
        return [usage.output_tokens for usage in usages], upstream.load(), loop().time()

    outputs, facts, _ = virtual_time.run(main())
    assert outputs == [30, 30, 30]
    assert facts.preemptions_total > 0
    assert (facts.running, facts.waiting, facts.kv_usage) == (0, 0, 0.0)


@shows("synthetic-load")
def test_a_client_that_leaves_makes_room() -> None:
    async def main() -> tuple[LoadFacts, LoadFacts]:
        upstream = SyntheticUpstream()
        running, waiting = [await opened(upstream, "itl_ms=1000&batch_max=1") for _ in range(2)]
        reading = asyncio.ensure_future(read(waiting))
        await asyncio.sleep(5)
        before = upstream.load()
        await running.aclose()
        assert len(await reading) == 20
        return before, upstream.load()

    before, after = virtual_time.run(main())
    assert (before.running, before.waiting) == (1, 1)
    assert (after.running, after.waiting) == (0, 0)


def test_requests_with_other_capacities_do_not_wait_for_each_other() -> None:
    async def main() -> LoadFacts:
        upstream = SyntheticUpstream()
        for at in range(150):
            await opened(upstream, f"batch_max=1&kv_tokens={1_000 + at}")
            await (await opened(upstream, f"batch_max=2&kv_tokens={1_000 + at}")).aclose()
        return upstream.load()

    assert virtual_time.run(main()).running == 150


def test_other_requests_are_no_load() -> None:
    async def main() -> LoadFacts:
        upstream = SyntheticUpstream()
        await opened(upstream, "itl_ms=20")
        return upstream.load()

    assert virtual_time.run(main()) == LoadFacts()
