"""Whatever the model, its tools and its client do: one legal stream, one end of each item, and nothing goes on then."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.engine.hosted_tools.families import (
    END,
    MAPS,
    SEARCH,
    FakeTool,
    Turns,
    called,
    maps_tool,
    policies,
    search_tool,
)
from core.kit import LIMITS, Json, make_run, plan, to_json
from penstock.engine import Run
from penstock.errors import upstream_failed
from penstock.transcript.deltas import Delta, Finish, ReasoningDelta, TextDelta
from requirements import shows
from support import oracle

STORIES_MAX = int(os.environ.get("HOSTED_STORIES", "120"))
"""How many responses each law is tried with."""
QUICK = replace(LIMITS, tool_call_s=0.02, tool_calls_max=6, tool_rounds_max=3)
NAMES = ("web_search", "maps__route", "maps__find", "mine", "unknown")
FUNCTION = {"type": "function", "name": "mine", "parameters": {"type": "object"}}

_call = st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(['{"a"', ":1}", "{}", "broken"]), max_size=3))
_words = st.sampled_from([TextDelta("Well"), ReasoningDelta("Hmm")])


@st.composite
def _turn(draw: st.DrawFn) -> list[Any]:
    """The batches of one turn: text, thoughts and calls, and how it ends."""
    deltas: list[Delta] = list(draw(st.lists(_words, max_size=2)))
    for index, (name, pieces) in enumerate(draw(st.lists(_call, max_size=3))):
        deltas += called(index, name, *pieces)
    deltas += draw(st.lists(_words, max_size=1))
    ends: list[Any] = [END, [Finish("max_output_tokens")], upstream_failed("It broke.")]
    return [*([delta] for delta in deltas), draw(st.sampled_from([END, END, END, *ends]))]


_REPLIES: dict[str, Any] = {
    "text": lambda _: "read",
    "raises": lambda _: ValueError("a bug"),
    "hangs": lambda _: asyncio.Event(),
    "none": lambda _: None,
    "long": lambda _: "x" * 100_000,
}


@dataclass
class Story:
    """One response: its turns, its tools, and after how many batches its client leaves, or the server stops."""

    turns: list[list[Any]]
    replies: tuple[str, str]
    stopped_after: int | None

    def run(self, *, stream: bool, leaves: bool = False) -> tuple[Run, list[Json], list[FakeTool], Turns]:
        families = [search_tool(_REPLIES[self.replies[0]]), maps_tool(_REPLIES[self.replies[1]])]
        upstream = Turns(*self.turns)
        events: list[Json] = []

        async def main() -> Run:
            async with asyncio.timeout(20):
                return await respond()

        async def respond() -> Run:
            planned = plan(upstream, policies(*families), tools=[SEARCH, MAPS, FUNCTION], stream=stream)
            run = make_run(planned, QUICK)
            await run.open()
            if not stream:
                await run.finish()
                return run
            batches, count = run.events(), 0
            async for batch in batches:
                events.extend(map(to_json, batch))
                count += 1
                if count == self.stopped_after:
                    if leaves:
                        break
                    run.end_early()
            await batches.aclose()
            await run.aclose()
            assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
            return run

        return asyncio.run(main()), events, families, upstream


STORIES = st.builds(
    Story,
    st.lists(_turn(), min_size=1, max_size=3),
    st.tuples(st.sampled_from(sorted(_REPLIES)), st.sampled_from(sorted(_REPLIES))),
    st.one_of(st.none(), st.integers(1, 12)),
)


@shows("hosted-calls", "one-end")
@pytest.mark.slow
@settings(max_examples=STORIES_MAX, deadline=None)
@given(STORIES)
def test_every_stream_is_legal_and_ends_once(story: Story) -> None:
    run, events, families, upstream = story.run(stream=True)
    assert oracle.check_stream(events) == to_json(run.response)
    _nothing_goes_on(families, upstream)
    opened = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    ended = [event["output_index"] for event in events if event["type"] == "response.output_item.done"]
    assert sorted(opened) == sorted(ended)


@pytest.mark.slow
@settings(max_examples=STORIES_MAX, deadline=None)
@given(STORIES)
def test_a_client_may_leave_at_any_event(story: Story) -> None:
    _, _, families, upstream = story.run(stream=True, leaves=True)
    _nothing_goes_on(families, upstream)


@shows("whole-replies")
@pytest.mark.slow
@settings(max_examples=STORIES_MAX, deadline=None)
@given(STORIES)
def test_a_json_reply_is_the_response_of_the_stream(story: Story) -> None:
    story.stopped_after = None
    streamed, whole = (_without_ids(to_json(story.run(stream=stream)[0].response)) for stream in (True, False))
    assert streamed == whole


def _nothing_goes_on(families: list[FakeTool], upstream: Turns) -> None:
    assert all(family.running == 0 and family.closed == 1 for family in families)
    assert upstream.closed == len(upstream.turns)


def _without_ids(value: Any) -> Any:
    """The Response without ids, which are drawn in the order of events."""
    if isinstance(value, dict):
        return {name: _without_ids(inner) for name, inner in value.items() if name not in ("id", "call_id")}
    return [_without_ids(inner) for inner in value] if isinstance(value, list) else value
