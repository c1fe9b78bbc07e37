"""The run: whatever the upstream does, one legal stream, and the upstream is let go."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import pytest

from core.kit import IMPATIENT, LIMITS, FakeUpstream, Json, encode, make_run, plan, to_json
from penstock.engine import Run
from penstock.engine.running import deadlines
from penstock.engine.running.deadlines import ClientLeft
from penstock.errors import ApiError, rate_limited, upstream_failed
from penstock.limits import Limits
from penstock.ports import Turn
from penstock.transcript import Transcript
from penstock.transcript.deltas import Finish, TextDelta, ToolCallDelta
from support import oracle

T = TypeVar("T")
HI = [TextDelta("Hi")]
END = [Finish()]
BEATING = msgspec.structs.replace(LIMITS, heartbeat_s=0.03, head_wait_s=0.01)


def go(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(asyncio.wait_for(main(), 10))


async def read(run: Run) -> list[Json]:
    """Every event; the judge has seen them."""
    result = [to_json(event) async for batch in run.events() for event in batch]
    assert oracle.check_stream(result) == to_json(run.response)
    return result


def played(upstream: FakeUpstream, limits: Limits = LIMITS, **request: Any) -> list[Json]:
    async def main() -> list[Json]:
        run = make_run(plan(upstream, **request), limits)
        await run.open()
        return await read(run)

    reply = go(main)
    assert upstream.closed == 1
    return reply


def kinds(reported: list[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in reported]


@pytest.mark.parametrize("stream", [True, False])
def test_the_text_is_relayed(stream: bool) -> None:
    result = played(FakeUpstream(HI, HI, END), stream=stream)
    assert kinds(result) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert result[-1]["response"]["usage"]["estimated"] is True


def test_an_estimate_counts_input_and_output() -> None:
    def usage(text: str, **request: Any) -> Any:
        return played(FakeUpstream([TextDelta(text)], END), **request)[-1]["response"]["usage"]

    little, much = usage("Hi"), usage("Hi " * 1_000, input="What? " * 1_000)
    assert 0 < little["input_tokens"] < 50
    assert 0 < little["output_tokens"] < 50
    assert 1_400 < much["input_tokens"] < 1_600
    assert 700 < much["output_tokens"] < 800
    assert usage("Hi", instructions="Be brief. " * 400)["input_tokens"] > 900
    for each in (little, much):
        assert each["total_tokens"] == each["input_tokens"] + each["output_tokens"]


def test_a_batch_is_one_batch() -> None:
    """So that it is one write: what came together goes together, and what gives no event is not a heartbeat."""

    async def main() -> list[int]:
        run = make_run(plan(FakeUpstream(HI * 3, [], [TextDelta("")], HI, END), stream=True))
        await run.open()
        return [len(batch) async for batch in run.events()]

    assert go(main) == [2, 5, 1, 4]


FAULTS: dict[str, tuple[Exception, str, str]] = {
    "the upstream's": (upstream_failed("It broke."), "server_error", "It broke."),
    "too much": (rate_limited("Slow down.", 2), "rate_limit_exceeded", "Slow down. Please try again in 2s."),
    "the client's": (ApiError("No."), "invalid_prompt", "No."),
    "ours": (ZeroDivisionError("sk-secret"), "server_error", "The server had an error while processing your request."),
}


@pytest.mark.parametrize(("fault", "code", "message"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("before", [[], [HI]], ids=["at once", "midway"])
def test_a_fault_ends_the_response(
    before: list[Any], fault: Exception, code: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    end = played(FakeUpstream(*before, fault), stream=True)[-1]
    assert end["type"] == "response.failed"
    assert end["response"]["error"] == {"code": code, "message": message}
    assert [item["status"] for item in end["response"]["output"]] == ["incomplete"] * len(before)
    bugs = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(bugs) == (not isinstance(fault, ApiError))


def test_a_bug_in_the_machine_ends_the_response_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where what is open cannot be closed in order."""
    record = Transcript.record
    broken = {"response.output_text.done", "response.content_part.done"}

    def fail(self: Transcript, event: Any) -> None:
        if event.type in broken:
            raise KeyError(event.type)
        record(self, event)

    monkeypatch.setattr(Transcript, "record", fail)

    async def main() -> list[Json]:
        run = make_run(plan(FakeUpstream(HI, END), stream=True))
        await run.open()
        return [to_json(event) async for batch in run.events() for event in batch]

    end = go(main)[-1]
    assert end["type"] == "response.failed"
    assert end["response"]["error"]["code"] == "server_error"


def test_an_upstream_that_falls_silent_ends_the_response() -> None:
    end = played(FakeUpstream(HI, None), IMPATIENT, stream=True)[-1]
    assert end["response"]["error"]["message"] == "The upstream said nothing for 0.2 s."
    assert end["response"]["output"][0]["content"][0]["text"] == "Hi"


def test_a_response_that_takes_too_long_ends() -> None:
    limits = msgspec.structs.replace(LIMITS, total_s=0.1)
    for stream in (True, False):
        end = played(FakeUpstream(HI, None), limits, stream=stream)[-1]
        assert end["response"]["error"]["message"] == "The response took longer than 0.1 s."


# Before the first event.


def test_a_refusal_is_an_error_while_nothing_is_sent() -> None:
    async def main() -> None:
        for stream in (True, False):
            with pytest.raises(ApiError, match=r"No\."):
                await make_run(plan(Refusing(), stream=stream)).open()

    go(main)


class Refusing(FakeUpstream):
    def __init__(self, after_s: float = 0.0) -> None:
        super().__init__()
        self.after_s = after_s

    async def open(self, turn: Turn) -> Any:
        await asyncio.sleep(self.after_s)
        raise ApiError("No.", status=404)


def test_a_late_error_is_sent_in_the_stream() -> None:
    async def main() -> list[Json]:
        run = make_run(plan(Refusing(0.1), stream=True), IMPATIENT)
        await run.open()
        return await read(run)

    assert go(main)[-1]["response"]["error"] == {"code": "invalid_prompt", "message": "No."}


def test_a_stream_does_not_wait_for_an_upstream_that_thinks() -> None:
    async def main() -> list[str]:
        opening = asyncio.Event()
        run = make_run(plan(FakeUpstream(HI, END, opening=opening), stream=True), IMPATIENT)
        await run.open()
        batches = aiter(run.events())
        first = [to_json(event)["type"] for event in await anext(batches)]
        opening.set()
        return first + [to_json(event)["type"] async for batch in batches for event in batch]

    reply = go(main)
    assert reply[:2] == ["response.created", "response.in_progress"]
    assert reply[-1] == "response.completed"


def test_a_body_waits() -> None:
    async def main() -> None:
        run = make_run(
            plan(FakeUpstream(HI, END, opening=asyncio.Event())), msgspec.structs.replace(IMPATIENT, total_s=0.3)
        )
        with pytest.raises(ApiError, match="took longer"):
            await run.open()

    go(main)


# Heartbeats.


@pytest.mark.parametrize("silent", ["before", "midway"])
def test_silence_is_filled_with_heartbeats(silent: str) -> None:
    async def main() -> list[int]:
        opening = asyncio.Event()
        upstream = FakeUpstream(HI, END, opening=opening) if silent == "before" else FakeUpstream(HI, opening, END)
        run = make_run(plan(upstream, stream=True), BEATING)
        asyncio.get_running_loop().call_later(0.2, opening.set)
        await run.open()
        return [len(batch) async for batch in run.events()]

    sizes = go(main)
    assert sizes.count(0) >= 1
    assert [size for size in sizes if size] == [2, 3, 4]


def test_no_heartbeats_without_a_stream() -> None:
    async def main() -> list[int]:
        opening = asyncio.Event()
        run = make_run(plan(FakeUpstream(HI, END, opening=opening)), BEATING)
        asyncio.get_running_loop().call_later(0.1, opening.set)
        await run.open()
        return [len(batch) async for batch in run.events()]

    assert 0 not in go(main)


# Who does not want it any more.


def test_a_client_that_stops_reading_closes_the_upstream() -> None:
    async def main() -> int:
        upstream = FakeUpstream(HI, None)
        run = make_run(plan(upstream, stream=True))
        await run.open()
        events = run.events()
        await anext(events)
        await anext(events)
        await events.aclose()
        return upstream.closed

    assert go(main) == 1


def test_a_client_that_never_reads_closes_the_upstream() -> None:
    async def main() -> int:
        upstream = FakeUpstream(HI, END)
        run = make_run(plan(upstream, stream=True))
        await run.open()
        await run.aclose()
        await run.aclose()
        return upstream.closed

    assert go(main) == 1


def test_a_disconnect_at_the_time_of_the_answer_closes_it() -> None:
    async def main() -> int:
        opening = asyncio.Event()
        upstream = FakeUpstream(HI, END, opening=opening)
        run = make_run(plan(upstream, stream=True), IMPATIENT)
        await run.open()
        events = run.events()
        await anext(events)
        opening.set()
        for _ in range(5):
            await asyncio.sleep(0)
        await events.aclose()
        await run.aclose()
        return upstream.closed

    assert go(main) == 1


def test_a_disconnect_before_the_answer_cancels_the_call() -> None:
    async def main() -> bool:
        upstream = FakeUpstream(HI, END, opening=asyncio.Event())
        run = make_run(plan(upstream, stream=True), IMPATIENT)
        known = asyncio.all_tasks()
        await run.open()
        [asking] = asyncio.all_tasks() - known
        await run.aclose()
        await asyncio.sleep(0)
        return asking.cancelled()

    assert go(main)


@pytest.mark.parametrize("stream", [True, False])
def test_a_cancelled_reader_closes_the_upstream(stream: bool) -> None:
    async def main() -> int:
        upstream = FakeUpstream(HI, None)
        run = make_run(plan(upstream, stream=stream))
        await run.open()
        reading = asyncio.ensure_future(read(run))
        await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        return upstream.closed

    assert go(main) == 1


def test_a_client_that_disconnects_ends_the_run_without_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_WATCH_CLIENT_AFTER_S", 0.0)

    async def main() -> tuple[list[str], int]:
        upstream = FakeUpstream(HI, None)
        run = make_run(plan(upstream, stream=True), disconnected=lambda: asyncio.sleep(0.05))
        await run.open()
        reply = [event.type async for batch in run.events() for event in batch]
        return reply, upstream.closed

    reply, closed = go(main)
    assert reply[-1] == "response.output_text.delta"
    assert closed == 1


def test_a_client_that_disconnects_before_the_answer_cancels_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_WATCH_CLIENT_AFTER_S", 0.0)

    async def main() -> None:
        for stream in (True, False):
            upstream = FakeUpstream(opening=asyncio.Event())
            run = make_run(plan(upstream, stream=stream), disconnected=lambda: asyncio.sleep(0.02))
            with pytest.raises(ClientLeft):
                await run.open()

    go(main)


def test_a_run_may_be_read_by_one_task_after_the_other() -> None:
    """As `asyncio.wait_for` has it. The deadlines hold for each, and none is cancelled that does not wait."""

    async def main() -> list[str]:
        run = make_run(plan(FakeUpstream(HI, None), stream=True), IMPATIENT)
        await run.open()
        batches = run.events()
        result = []
        try:
            while True:
                result += [event.type for event in await asyncio.wait_for(anext(batches), 5)]
        except StopAsyncIteration:
            return result

    assert go(main)[-1] == "response.failed"


# What was sent once stays.


def test_nothing_that_was_sent_changes_afterwards() -> None:
    async def main() -> None:
        run = make_run(plan(FakeUpstream(HI, [ToolCallDelta(index=0, name="f", arguments="{}")], END), stream=True))
        await run.open()
        result = [(event, encode(event)) async for batch in run.events() for event in batch]
        assert [encode(event) for event, _ in result] == [written for _, written in result]
        assert result[-1][0].type == "response.completed"

    go(main)
