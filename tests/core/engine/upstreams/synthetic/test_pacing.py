"""Paced answers: when each delta comes, in virtual time, so that only what was computed is measured."""

from __future__ import annotations

import asyncio
import gc
import weakref
from itertools import cycle, pairwise
from statistics import NormalDist, fmean, quantiles
from typing import Any

import pytest

from core import kit
from penstock.dialects import synthetic
from penstock.dialects.synthetic import BATCH_DELTAS
from penstock.dialects.synthetic.draws import Draws
from penstock.dialects.synthetic.options import DEFAULTS
from penstock.dialects.synthetic.options.grammar import read_options
from penstock.engine.running.timer_wheel import wheel_of
from penstock.engine.upstreams.synthetic.pacing import TICK_S, PacedDeltas, gaps
from penstock.engine.upstreams.synthetic.upstream import SyntheticUpstream
from penstock.ports import Outlet
from penstock.transcript.deltas import Delta, Finish, TextRun
from requirements import shows
from support import virtual_time
from support.virtual_time import loop

LATE_S = 2 * TICK_S + 1e-6
"""The wheel is at most two ticks late."""


def turn(model: str = "synthetic", **asked: Any) -> Any:
    return kit.plan(**{"model": model, "input": "Which way?", "stream": True} | asked).turn


async def opened(model: str, **asked: Any) -> PacedDeltas:
    deltas = await SyntheticUpstream().open(turn(model, **asked))
    assert isinstance(deltas, PacedDeltas)
    return deltas


def texts(batch: list[Delta]) -> list[str]:
    return [text for delta in batch if isinstance(delta, TextRun) for text in delta.texts]


async def times_s(deltas: PacedDeltas) -> list[float]:
    """When each token came, from now on."""
    began_s, times = loop().time(), []
    async for batch in deltas:
        times += [loop().time() - began_s] * len(texts(batch))
    return times


@shows("synthetic-pace")
def test_the_first_token_and_those_after_it_come_in_time() -> None:
    async def main() -> list[float]:
        return await times_s(await opened("synthetic?ttft_ms=120&itl_ms=20", max_output_tokens=30))

    times = virtual_time.run(main())
    assert len(times) == 30
    assert all(0 <= time_s - (0.12 + 0.02 * at) <= LATE_S for at, time_s in enumerate(times))


@shows("synthetic-pace")
def test_late_tokens_come_together_and_delay_no_others() -> None:
    async def main() -> list[tuple[int, float]]:
        deltas, began_s, batches = await opened("synthetic?itl_ms=20", max_output_tokens=30), loop().time(), []
        async for batch in deltas:
            batches.append((len(texts(batch)), loop().time() - began_s))
            if len(batches) == 3:
                loop().pass_s(0.1)
        return batches

    batches = virtual_time.run(main())
    assert [count for count, _ in batches] == [1, 1, 1, 5, *[1] * 22]
    assert batches[-1][1] - 29 * 0.02 <= LATE_S


def test_tokens_without_time_between_them_come_in_batches() -> None:
    async def main() -> list[int]:
        return [
            len(texts(batch))
            async for batch in await opened("synthetic?ttft_ms=50", max_output_tokens=BATCH_DELTAS + 6)
        ]

    assert virtual_time.run(main()) == [BATCH_DELTAS, 6]


def test_a_delta_of_several_tokens_takes_the_time_of_all() -> None:
    async def main() -> list[float]:
        return await times_s(await opened("synthetic?ttft_ms=10&itl_ms=20&tokens_per_delta=4", max_output_tokens=12))

    assert virtual_time.run(main()) == pytest.approx([0.01, 0.09, 0.17], abs=LATE_S)


@shows("synthetic-pace")
def test_a_reply_in_one_piece_waits_for_its_last_token() -> None:
    async def main() -> tuple[list[list[Delta]], float]:
        began_s = loop().time()
        model = "synthetic?ttft_ms=100&itl_ms=20"
        deltas = await SyntheticUpstream().open(turn(model, max_output_tokens=40, stream=False))
        return [batch async for batch in deltas], loop().time() - began_s

    [batch], took_s = virtual_time.run(main())
    assert isinstance(batch[-1], Finish)
    assert took_s == pytest.approx(0.1 + 39 * 0.02, abs=LATE_S)


def test_an_interrupted_wait_loses_nothing() -> None:
    async def main() -> list[str]:
        deltas, read = await opened("synthetic?itl_ms=50", max_output_tokens=20), []
        while True:
            try:
                read += texts(await asyncio.wait_for(anext(deltas), 0.03))
            except TimeoutError:
                continue
            except StopAsyncIteration:
                return read

    [whole] = synthetic.generate(turn(max_output_tokens=20))
    assert virtual_time.run(main()) == texts(whole)


@shows("synthetic-pace")
def test_tokens_go_to_an_outlet_in_time_while_their_reader_waits() -> None:
    async def main() -> tuple[list[float], list[list[Delta]]]:
        deltas = await opened("synthetic?ttft_ms=120&itl_ms=20", max_output_tokens=30)
        began_s, times = loop().time(), []

        def send(batch: list[Delta]) -> None:
            times.extend([loop().time() - began_s] * len(texts(batch)))

        deltas.send_to(Outlet(lambda: True, send))
        return times, [batch async for batch in deltas]

    times, read = virtual_time.run(main())
    assert len(times) == 30
    assert all(0 <= time_s - (0.12 + 0.02 * at) <= LATE_S for at, time_s in enumerate(times))
    assert read == []


def test_what_an_outlet_does_not_take_goes_to_the_reader() -> None:
    async def main() -> tuple[list[str], list[str]]:
        deltas, both, read = await opened("synthetic?ttft_ms=5&itl_ms=20", max_output_tokens=30), [], []
        is_ready = cycle([True, True, False]).__next__
        deltas.send_to(Outlet(is_ready, lambda batch: both.extend(texts(batch))))
        async for batch in deltas:
            both += texts(batch)
            read += texts(batch)
        return both, read

    both, read = virtual_time.run(main())
    [whole] = synthetic.generate(turn(max_output_tokens=30))
    assert both == texts(whole)
    assert len(read) == 10


def test_the_reader_gets_the_error_of_an_outlet() -> None:
    async def main() -> None:
        deltas = await opened("synthetic?ttft_ms=5&itl_ms=20")
        deltas.send_to(Outlet(lambda: True, lambda _: 1 / 0))
        async for _ in deltas:
            """Nothing comes."""

    with pytest.raises(ZeroDivisionError):
        virtual_time.run(main())


@shows("synthetic-pace")
def test_an_answer_that_is_closed_waits_for_nothing() -> None:
    async def main() -> None:
        deltas = await opened("synthetic?ttft_ms=3600000")
        waiting = asyncio.ensure_future(anext(deltas))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait({waiting})
        await deltas.aclose()
        assert wheel_of(loop(), TICK_S)._slots == {}

    virtual_time.run(main())


def test_the_text_is_that_of_an_answer_without_times() -> None:
    async def main() -> list[str]:
        return [text async for batch in await opened("synthetic?itl_ms=5") for text in texts(batch)]

    assert virtual_time.run(main()) == [text for batch in synthetic.generate(turn()) for text in texts(batch)]


@shows("synthetic-pace", "synthetic-distributions")
def test_the_gaps_of_many_streams_follow_their_distribution() -> None:
    """200 streams: mean and quantiles of what was measured, within 5 % of what was asked."""

    async def main() -> list[list[float]]:
        upstream = SyntheticUpstream()
        model = "synthetic?ttft_ms=lognormal(300,0.2)&itl_ms=lognormal(40,0.5)&seed=3"
        opened = [await upstream.open(turn(model, max_output_tokens=60)) for _ in range(200)]
        return await asyncio.gather(*[times_s(deltas) for deltas in opened])  # type: ignore[arg-type]

    streams = virtual_time.run(main())
    measured = quantiles([later - time_s for times in streams for time_s, later in pairwise(times)], n=20)
    asked = [0.04 * 2.718281828459045 ** (0.5 * NormalDist().inv_cdf(at / 20)) for at in range(1, 20)]
    assert measured == pytest.approx(asked, rel=0.05)
    assert fmean(times[0] for times in streams) == pytest.approx(0.3 * 1.0202, rel=0.05)
    assert len({times[0] for times in streams}) > 100


def test_each_gap_is_drawn_once_and_repeats() -> None:
    options = read_options("itl_ms=gamma(2,10)&seed=5")
    gap_s, again_s, other_s = (gaps(options.itl_ms, Draws(5, number).random("itl_ms"), 1) for number in (0, 0, 1))
    drawn = [gap_s() for _ in range(9)]
    assert drawn == [again_s() for _ in range(9)]
    assert drawn != [other_s() for _ in range(9)]


def test_an_answer_without_times_is_not_paced() -> None:
    assert not DEFAULTS.is_timed
    assert not read_options("seed=4").is_timed
    assert read_options("itl_ms=1").is_timed


@shows("freed-at-once")
@pytest.mark.parametrize("options", ["itl_ms=20", "itl_ms=gamma(2,10)", "itl_ms=20&batch_max=1&cache_tokens=99"])
@pytest.mark.parametrize("is_left", [True, False])
def test_an_answer_goes_with_its_last_reference(options: str, is_left: bool) -> None:
    async def main() -> None:
        upstream = SyntheticUpstream()
        deltas = await upstream.open(turn(f"synthetic?{options}", max_output_tokens=9))
        assert isinstance(deltas, PacedDeltas)
        refers_to_it: list[Any] = [deltas]
        deltas.send_to(Outlet(lambda: not is_left, refers_to_it.append))
        del refers_to_it
        async for _ in deltas:
            if is_left:
                break
        await deltas.aclose()
        reference = weakref.ref(deltas._pace)
        del deltas
        assert reference() is None

    gc.disable()
    try:
        virtual_time.run(main())
    finally:
        gc.enable()
