"""What ends or interrupts a wait: heartbeats, deadlines, a client that left, and who cancels from outside."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest

from penstock.engine.running import deadlines
from penstock.engine.running.deadlines import ClientLeft, Deadlines
from penstock.errors import ApiError
from penstock.limits import Limits

T = TypeVar("T")

QUICK_S = 0.03
SLOW_S = 20.0


def make(
    *,
    heartbeat_s: float = SLOW_S,
    idle_s: float = SLOW_S,
    total_s: float = SLOW_S,
    disconnected: Callable[[], Awaitable[None]] | None = None,
) -> Deadlines:
    limits = Limits(heartbeat_s=heartbeat_s, idle_s=idle_s, total_s=total_s)
    return Deadlines(limits, heartbeats=True, idle=True, disconnected=disconnected)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """With a bound: what is tested here is that nothing waits for ever."""
    return asyncio.run(asyncio.wait_for(main(), SLOW_S / 2))


async def never() -> None:
    await asyncio.Event().wait()


async def soon(value: T, after_s: float = 0.0) -> T:
    await asyncio.sleep(after_s)
    return value


def test_what_comes_in_time_is_handed_on() -> None:
    async def main() -> list[str | None]:
        guard = make()
        result = [await guard.wait(soon("a")), await guard.wait(soon("b", QUICK_S))]
        guard.close()
        return result

    assert run(main) == ["a", "b"]


def test_what_fails_fails() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise StopAsyncIteration

    async def main() -> None:
        guard = make()
        with pytest.raises(StopAsyncIteration):
            await guard.wait(fail())
        guard.close()

    run(main)


def test_a_heartbeat_is_due_while_nothing_comes_and_loses_nothing() -> None:
    async def main() -> tuple[int, str]:
        guard = make(heartbeat_s=QUICK_S)
        queue: asyncio.Queue[str] = asyncio.Queue()
        asyncio.get_running_loop().call_later(QUICK_S * 3.5, queue.put_nowait, "late")
        beats = 0
        while (result := await guard.wait(queue.get())) is None:
            beats += 1
        guard.close()
        return beats, result

    beats, result = run(main)
    assert result == "late"
    assert 1 <= beats <= 3


def test_no_heartbeat_is_due_while_things_are_sent() -> None:
    async def main() -> list[bool | None]:
        guard = make(heartbeat_s=0.5)
        result = []
        for _ in range(20):
            result.append(await guard.wait(soon(True, QUICK_S)))
            guard.sent()
        guard.close()
        return result

    assert run(main) == [True] * 20


def test_silence_ends_the_wait_and_a_heartbeat_does_not_break_it() -> None:
    async def main() -> int:
        guard = make(heartbeat_s=QUICK_S, idle_s=QUICK_S * 4)
        beats = 0
        with pytest.raises(ApiError, match=r"said nothing for 0\.12 s") as caught:
            while await guard.wait(never()) is None:
                beats += 1
        assert caught.value.status == 504
        return beats

    assert run(main) >= 1


def test_a_byte_ends_the_silence() -> None:
    async def main() -> None:
        guard = make(idle_s=0.5)
        for _ in range(6):
            await guard.wait(soon("word", 0.1))
        guard.close()

    run(main)


def test_a_reader_that_takes_its_time_is_no_silence() -> None:
    async def main() -> str | None:
        guard = make(idle_s=QUICK_S)
        await asyncio.sleep(QUICK_S * 3)
        result = await guard.wait(soon("word"))
        guard.close()
        return result

    assert run(main) == "word"


def test_a_reader_that_takes_its_time_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled client may take minutes for a piece: nothing must spin meanwhile."""

    async def main() -> int:
        guard = make(idle_s=QUICK_S, heartbeat_s=QUICK_S)
        looked = 0
        on_due = guard.on_due

        def count() -> None:
            nonlocal looked
            looked += 1
            on_due()

        monkeypatch.setattr(guard, "on_due", count)
        await asyncio.sleep(QUICK_S * 8)
        guard.close()
        return looked

    assert run(main) <= 20


@pytest.mark.parametrize("streams", [True, False])
def test_the_whole_has_a_deadline(streams: bool) -> None:
    async def main() -> None:
        limits = Limits(total_s=QUICK_S)
        guard = Deadlines(limits, heartbeats=streams, idle=streams, disconnected=None)
        with pytest.raises(ApiError, match=r"took longer than 0\.03 s") as caught:
            while True:
                await guard.wait(soon("word", QUICK_S / 10))
        assert caught.value.status == 504

    run(main)


def test_a_deadline_that_passed_meanwhile_ends_the_next_wait() -> None:
    """What is not awaited any more is put away: filterwarnings makes an error of a coroutine that is left over."""

    async def main() -> None:
        guard = make(total_s=QUICK_S)
        await asyncio.sleep(QUICK_S * 3)
        for _ in range(2):
            with pytest.raises(ApiError, match="took longer"):
                await guard.wait(never())

    run(main)


def test_a_body_that_is_not_streamed_may_take_as_long_as_the_whole() -> None:
    async def main() -> str | None:
        limits = Limits(idle_s=QUICK_S, heartbeat_s=QUICK_S)
        guard = Deadlines(limits, heartbeats=False, idle=False, disconnected=None)
        result = await guard.wait(soon("word", QUICK_S * 4))
        guard.close()
        return result

    assert run(main) == "word"


def test_a_client_that_disconnects_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_WATCH_CLIENT_AFTER_S", 0.0)

    async def main() -> None:
        guard = make(disconnected=lambda: soon(None, QUICK_S))
        for _ in range(2):
            with pytest.raises(ClientLeft):
                await guard.wait(never())

    run(main)


def test_a_check_that_fails_reports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some hosts cannot report whether the client is there."""
    monkeypatch.setattr(deadlines, "_WATCH_CLIENT_AFTER_S", 0.0)

    async def fail() -> None:
        raise RuntimeError("no idea")

    async def main() -> str | None:
        guard = make(disconnected=fail)
        result = await guard.wait(soon("word", QUICK_S))
        guard.close()
        return result

    assert run(main) == "word"


def test_the_clients_watch_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_WATCH_CLIENT_AFTER_S", 0.0)

    async def main() -> None:
        known = asyncio.all_tasks()
        guard = make(disconnected=never)
        await guard.wait(soon("word", QUICK_S))
        [look_out] = asyncio.all_tasks() - known
        guard.close()
        await asyncio.sleep(0)
        assert look_out.cancelled()

    run(main)


def test_a_cancellation_from_outside_is_not_lost() -> None:
    async def main() -> None:
        guard = make(heartbeat_s=QUICK_S)
        task = asyncio.ensure_future(guard.wait(never()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        guard.close()

    run(main)


def test_a_cancellation_at_the_time_of_a_heartbeat_is_not_lost() -> None:
    async def main() -> None:
        guard = make()
        task = asyncio.ensure_future(guard.wait(never()))
        await asyncio.sleep(0)
        guard._interrupt()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        guard.close()

    run(main)


def test_waits_of_several_tasks_are_guarded() -> None:
    """`asyncio.wait_for` makes a task of each wait, before Python 3.12."""

    async def main() -> int:
        guard = make(heartbeat_s=QUICK_S, idle_s=QUICK_S * 4)
        beats = 0
        with pytest.raises(ApiError, match="said nothing"):
            while await asyncio.ensure_future(guard.wait(never())) is None:
                beats += 1
        return beats

    assert run(main) >= 1


def test_the_times_of_an_endless_stream_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_SENT_AT_MAX", 10)

    async def main() -> list[float]:
        sent_at: list[float] = []
        limits = Limits(heartbeat_s=QUICK_S, idle_s=SLOW_S, total_s=SLOW_S)
        guard = Deadlines(limits, heartbeats=True, idle=True, disconnected=None, sent_at=sent_at)
        for _ in range(2):
            for _ in range(20):
                guard.begin(sent=True)
                guard.end()
            while await guard.wait(never()) is not None:
                pass
        guard.close()
        return sent_at

    assert len(run(main)) == 20
