"""Responses with hosted tools leave nothing for the garbage collector, however they end."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine.hosted_tools.families import END, MAPS, SEARCH, Turns, called, maps_tool, policies, search_tool
from core.kit import LIMITS, make_run, plan, routes
from penstock.engine import Plan
from penstock.errors import upstream_failed
from penstock.transcript.deltas import Finish, TextDelta
from requirements import shows
from support.uncollected import collect

pytestmark = pytest.mark.slow

CALLS = [[*called(0, "web_search", "{}"), *called(1, "maps__route", '{"a":1}')], END]
ANSWER = [[TextDelta("Done.")], END]
ENDINGS: dict[str, tuple[list[Any], Any]] = {
    "completed": ([CALLS, ANSWER], "read"),
    "a tool raises": ([CALLS, ANSWER], ValueError("a bug")),
    "a tool gives nothing": ([CALLS, ANSWER], None),
    "a tool takes too long": ([CALLS, ANSWER], asyncio.Event),
    "an upstream fails": ([CALLS, [upstream_failed("It broke.")]], "read"),
    "a turn is cut": ([[called(0, "maps__route", '{"a'), [Finish("max_output_tokens")]]], "read"),
}


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """Records of the log have references, so there is none."""
    gc.disable()
    gc.freeze()  # the tests before have left a million objects, which are not looked at
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    gc.unfreeze()
    gc.enable()


@shows("memory")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("ending", ENDINGS)
def test_no_reference_cycle_has_a_response(ending: str, stream: bool) -> None:
    asyncio.run(_leave_nothing(*ENDINGS[ending], stream=stream))


@shows("memory")
@pytest.mark.parametrize("after", range(1, 7))
def test_a_client_that_leaves_leaves_nothing(after: int) -> None:
    asyncio.run(_leave_nothing([CALLS, ANSWER], asyncio.Event, stream=True, batches_max=after))


async def _leave_nothing(turns: list[Any], given: Any, *, stream: bool, batches_max: int = 1_000) -> None:
    """Make responses, and check that the last one has left nothing."""

    def reply(arguments: str) -> Any:
        return given() if given is asyncio.Event else given

    tools, upstream = policies(search_tool(reply), maps_tool(reply)), Turns(*turns)
    to = routes(upstream)
    for number in range(3):
        upstream.restart()
        await _respond(plan(policies=tools, to=to, tools=[SEARCH, MAPS], stream=stream), batches_max)
        if number < 2:
            collect()
    found = collect()
    ours = ("penstock.engine", "penstock.transcript", "penstock.tools", "core.")
    assert not {name: count for name, count in found.items() if name.rpartition(" of ")[2].startswith(ours)}


async def _respond(planned: Plan, batches_max: int) -> None:
    """One response to its end, or up to a batch."""
    run = make_run(planned, replace(LIMITS, tool_call_s=0.05))
    await run.open()
    if not planned.stream:
        await run.finish()
        return
    events, count = run.events(), 0
    async for _ in events:
        count += 1
        if count == batches_max:
            break
    await events.aclose()
    await run.aclose()
