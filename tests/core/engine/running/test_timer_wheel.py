"""The wheel: when it calls, what it does not call, and that it ends with what waits in it and with its loop."""

import asyncio
import gc
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from core.kit import fresh_garbage
from penstock.engine.running import timer_wheel
from penstock.engine.running.timer_wheel import CALLS_MAX, TICK_S, TimerWheel, wheel_of
from requirements import shows

SLOW_S = 10.0
OF_A_REQUEST: ContextVar[str] = ContextVar("of_a_request", default="")


class Noting:
    """Notes when it was called; `then` is done after that."""

    def __init__(self, then: Callable[[], Any] = lambda: None) -> None:
        self.called_at: list[float] = []
        self.called = asyncio.Event()
        self._then = then

    def on_due(self) -> None:
        self.called_at.append(asyncio.get_running_loop().time())
        self.called.set()
        self._then()


def still(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Set once the wheel stands still."""
    event = asyncio.Event()

    def look() -> None:
        if wheel_of(loop)._is_turning:
            loop.call_later(TICK_S, look)
        else:
            event.set()

    look()
    return event


def test_what_is_due_is_called_once_and_never_early() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        waits = [0.0, -1.0, TICK_S, 2.5 * TICK_S, 2.5 * TICK_S, 7 * TICK_S]
        begun = loop.time()
        waiting = [Noting() for _ in waits]
        for each, wait_s in zip(waiting, waits, strict=True):
            wheel_of(loop).put(each, begun + wait_s, loop)
        await still(loop).wait()
        for each, wait_s in zip(waiting, waits, strict=True):
            [called_at] = each.called_at
            assert called_at >= begun + wait_s

    asyncio.run(asyncio.wait_for(main(), SLOW_S))


def test_a_removed_entry_is_not_called_and_leaves_nothing() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        one, other = Noting(), Noting()
        at_s = loop.time() + TICK_S
        ticks = [wheel_of(loop).put(each, at_s, loop) for each in (one, other)]
        wheel_of(loop).remove(one, ticks[0])
        await other.called.wait()
        assert one.called_at == []
        tick = wheel_of(loop).put(one, loop.time() + SLOW_S * 100, loop)
        wheel_of(loop).remove(one, tick)
        wheel_of(loop).remove(one, tick)
        assert wheel_of(loop)._slots == {}
        await still(loop).wait()

    asyncio.run(asyncio.wait_for(main(), SLOW_S))


@shows("one-timer")
def test_a_thousand_that_wait_have_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        timers = 0
        call_later = loop.call_later

        def count(*args: Any, **kwargs: Any) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return call_later(*args, **kwargs)

        monkeypatch.setattr(loop, "call_later", count)
        at_s = loop.time() + SLOW_S * 100
        waiting = [Noting() for _ in range(1_000)]
        ticks = [wheel_of(loop).put(each, at_s, loop) for each in waiting]
        for each, tick in zip(waiting, ticks, strict=True):
            wheel_of(loop).remove(each, tick)
        return timers

    assert asyncio.run(main()) == 1


def test_what_fails_takes_nothing_with_it() -> None:
    async def main() -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        text: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: text.append(context))
        at_s = loop.time() + TICK_S
        well = [Noting() for _ in range(5)]
        for each in (*well, Noting(lambda: 1 / 0), Noting(lambda: 1 / 0)):
            wheel_of(loop).put(each, at_s, loop)
        for each in well:
            await each.called.wait()
        await still(loop).wait()
        return text

    text = asyncio.run(asyncio.wait_for(main(), SLOW_S))
    assert [type(each["exception"]) for each in text] == [ZeroDivisionError] * 2


def test_what_is_called_may_wait_again() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()

        def again() -> None:
            if len(each.called_at) < 3:
                wheel_of(loop).put(each, loop.time(), loop)

        each = Noting(again)
        wheel_of(loop).put(each, loop.time(), loop)
        await still(loop).wait()
        return len(each.called_at)

    assert asyncio.run(asyncio.wait_for(main(), SLOW_S)) == 3


def test_what_was_due_first_is_called_first() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        at_s = loop.time() + TICK_S
        called: list[int] = []
        entries = [Noting(partial(called.append, number)) for number in range(30)]
        for number in (*range(20, 30), *range(10), *range(10, 20)):
            wheel_of(loop).put(entries[number], at_s + number // 10 * TICK_S, loop)
        time.sleep(5 * TICK_S)  # noqa: ASYNC251 - the loop is busy, and all are late
        await still(loop).wait()
        return called

    assert asyncio.run(asyncio.wait_for(main(), SLOW_S)) == list(range(30))


def test_the_loop_does_other_work_between_many_that_are_due() -> None:
    async def main() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        at_s = loop.time() + TICK_S
        called: list[int] = []
        before_other: list[int] = []
        first = Noting(lambda: loop.call_soon(lambda: before_other.append(len(called))))
        wheel_of(loop).put(first, at_s, loop)
        removed = [Noting(lambda: called.append(1)) for _ in range(3 * CALLS_MAX)]
        ticks = [wheel_of(loop).put(each, at_s, loop) for each in removed]
        await first.called.wait()
        wheel_of(loop).remove(removed[-1], ticks[-1])  # it is due, and its turn has not come
        await still(loop).wait()
        return before_other[0], len(called)

    assert asyncio.run(asyncio.wait_for(main(), SLOW_S)) == (CALLS_MAX - 1, 3 * CALLS_MAX - 1)


def test_a_busy_wheel_waits_for_no_tick_while_something_is_due() -> None:
    """What becomes due while the others are called is called behind them, by no timer of its own."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        timers: list[float] = []
        call_later = loop.call_later

        def busy() -> None:
            time.sleep(4 * TICK_S)

            def count(delay_s: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
                timers.append(delay_s)
                return call_later(delay_s, *args, **kwargs)

            loop.call_later = count  # type: ignore[method-assign, assignment]

        at_s = loop.time() + TICK_S
        wheel_of(loop).put(Noting(busy), at_s, loop)
        for _ in range(CALLS_MAX):
            wheel_of(loop).put(Noting(), at_s, loop)
        last = Noting()
        wheel_of(loop).put(last, at_s + TICK_S, loop)
        await last.called.wait()
        return len(timers)

    assert asyncio.run(asyncio.wait_for(main(), SLOW_S)) == 0


def test_it_knows_no_request() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        each = Noting(lambda: seen.append(OF_A_REQUEST.get()))
        OF_A_REQUEST.set("whoever came first")
        wheel_of(loop).put(each, loop.time(), loop)
        await each.called.wait()
        return seen[0]

    assert asyncio.run(asyncio.wait_for(main(), SLOW_S)) == ""


@pytest.mark.parametrize("waits", [True, False])
def test_it_is_freed_with_its_loop(waits: bool) -> None:
    """Also where something still waits when the loop ends: a server that is killed, or a test."""

    async def main() -> weakref.ref[TimerWheel]:
        loop = asyncio.get_running_loop()
        each = Noting()
        tick = wheel_of(loop).put(each, loop.time() + SLOW_S * 100, loop)
        if not waits:
            wheel_of(loop).remove(each, tick)
        return weakref.ref(wheel_of(loop))

    known = len(timer_wheel._WHEELS)
    with fresh_garbage():
        ended = asyncio.run(main())
        gc.collect()
    assert ended() is None
    assert len(timer_wheel._WHEELS) <= known


def test_loops_have_wheels_of_their_own() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        each = Noting()
        wheel_of(loop).put(each, loop.time(), loop)
        await each.called.wait()
        return len(each.called_at)

    assert [asyncio.run(asyncio.wait_for(main(), SLOW_S)) for _ in range(3)] == [1, 1, 1]


def test_a_loop_has_one_wheel_for_each_tick() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert wheel_of(loop) is wheel_of(loop, TICK_S)
        assert wheel_of(loop, TICK_S / 20) is wheel_of(loop, TICK_S / 20)
        assert wheel_of(loop, TICK_S / 20) is not wheel_of(loop)

    asyncio.run(main())


def test_requests_with_wheels_of_their_own_survive_the_timers_of_others() -> None:
    """A host that ends a request's timers with it does not end those of the next request."""

    async def wheel_of_a_request(ended: bool) -> Noting:
        timer_wheel.use_own_wheels()
        loop = asyncio.get_running_loop()
        noting = Noting()
        wheel = await asyncio.create_task(wheel_in_a_task(loop))
        assert wheel is wheel_of(loop)
        assert wheel is not wheel_of(loop, 1.0)
        if ended:
            wheel._is_turning = True  # as if its timer were gone
        wheel.put(noting, loop.time(), loop)
        return noting

    async def wheel_in_a_task(loop: asyncio.AbstractEventLoop) -> TimerWheel:
        return wheel_of(loop)

    async def main() -> None:
        ended, lasting = await asyncio.gather(wheel_of_a_request(True), wheel_of_a_request(False))
        async with asyncio.timeout(SLOW_S):
            await lasting.called.wait()
        assert not ended.called_at

    asyncio.run(main())
