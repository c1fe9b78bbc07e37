"""A run of which no event is read: it ends as with events, and the upstream is closed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

import msgspec
import pytest

from core.kit import LIMITS, FakeUpstream, encode, make_run, plan
from penstock.engine import Run
from penstock.engine.running import deadlines
from penstock.engine.running.persistence import Ending
from penstock.errors import ApiError, unavailable, upstream_failed
from penstock.limits import Limits
from penstock.transcript import Transcript
from penstock.transcript.deltas import Finish, TextDelta, ToolCallDelta
from penstock.wire import Response
from requirements import shows

T = TypeVar("T")
HI = [TextDelta("Hi")]
CALL = [ToolCallDelta(index=0, name="look", call_id="c", arguments='{"a"')]
END = [Finish()]


def go(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(asyncio.wait_for(main(), 10))


class RecordingSaver:
    """A saver that notes what it is given; it may have no room."""

    def __init__(self, error: ApiError | None = None) -> None:
        self.error = error
        self.bodies: list[bytes] = []
        self.closed = 0

    async def save(self, ending: Ending) -> None:
        if self.error is not None:
            raise self.error
        self.bodies.append(encode(ending.response))

    async def close(self) -> None:
        self.closed += 1


class Ended(NamedTuple):
    """What is left of a run."""

    body: bytes
    error: str | None
    stored: list[bytes]


def ended(*text: Any, in_events: bool, limits: Limits = LIMITS, error: ApiError | None = None) -> Ended:
    """A run to its end, and the proof that everything is closed."""
    upstream, saver = FakeUpstream(*text), RecordingSaver(error)

    async def main() -> Run:
        run = make_run(plan(upstream), limits, saver=saver)
        await run.open()
        if in_events:
            assert [batch async for batch in run.events()]
        else:
            await run.finish()
        return run

    run = go(main)
    assert upstream.closed == saver.closed == 1
    return Ended(encode(run.response), run.error.message if run.error else None, saver.bodies)


LATE = msgspec.structs.replace(LIMITS, total_s=0.1)
SHORT = msgspec.structs.replace(LIMITS, output_bytes_max=3)
ENDINGS: dict[str, dict[str, Any]] = {
    "completed": {"said": [HI, HI, END]},
    "cut by the model": {"said": [HI, [Finish("max_output_tokens")]]},
    "half a call": {"said": [CALL, END]},
    "nothing": {"said": [END]},
    "failed at once": {"said": [upstream_failed("It broke.")]},
    "failed midway": {"said": [HI, CALL, upstream_failed("It broke.")]},
    "failed by a bug": {"said": [HI, ZeroDivisionError("no")]},
    "too much": {"said": [HI, HI, END], "limits": SHORT},
    "too late": {"said": [HI, CALL, None], "limits": LATE},
    "not stored": {"said": [HI, END], "error": unavailable("The store is away.", 1)},
}


@shows("whole-replies", "one-end")
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_it_ends_as_its_events_would(ending: dict[str, Any]) -> None:
    text, options = ending["said"], {key: value for key, value in ending.items() if key != "said"}
    assert ended(*text, in_events=False, **options) == ended(*text, in_events=True, **options)


def test_what_was_cut_by_a_stop_is_incomplete() -> None:
    async def main() -> Response:
        run = make_run(plan(FakeUpstream(HI, CALL, None)))
        await run.open()
        asyncio.get_running_loop().call_later(0.05, run.end_early)
        await run.finish()
        return run.response

    response = go(main)
    assert response.status == "incomplete"
    assert [(item.type, item.status) for item in response.output] == [  # type: ignore[union-attr]
        ("message", "completed"),
        ("function_call", "incomplete"),
    ]


def test_a_client_that_disconnects_gets_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_WATCH_CLIENT_AFTER_S", 0.0)
    upstream, saver = FakeUpstream(HI, None), RecordingSaver()

    async def main() -> Run:
        run = make_run(plan(upstream), saver=saver, disconnected=lambda: asyncio.sleep(0.05))
        await run.open()
        await run.finish()
        return run

    run = go(main)
    assert not run.is_ended
    assert saver.bodies == []
    assert upstream.closed == saver.closed == 1


def test_a_bug_in_the_machine_ends_the_response_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where no item can be recorded."""

    def fail(self: Transcript, item: Any) -> None:
        raise KeyError(item)

    monkeypatch.setattr(Transcript, "record_item", fail)
    body, error, stored = ended(HI, END, in_events=False)
    assert b'"status":"failed"' in body
    assert b'"code":"server_error"' in body
    assert error == "The server had an error while processing your request."
    assert stored == [body]
