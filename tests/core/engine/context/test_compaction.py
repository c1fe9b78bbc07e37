"""Compaction within a run: two turns that the client sees as one, whatever becomes of either."""

import asyncio
import json
from typing import Any

import pytest

from core.kit import (
    LIMITS,
    SEAL,
    USAGE,
    FakeUpstream,
    Json,
    OpenSealer,
    ask,
    make_run,
    plan,
    service,
    to_json,
)
from penstock import json_codec
from penstock.engine.context.compaction import PROMPT, open_compacted, plan_compaction
from penstock.engine.context.resolve import Context
from penstock.engine.context.sealing import Compaction, Seal
from penstock.engine.context.visible_items import expand_compaction, visible_items
from penstock.errors import ApiError, upstream_failed
from penstock.limits import Limits
from penstock.ports import Deltas, Turn
from penstock.transcript.deltas import Delta, ReasoningDelta, TextDelta, UsageDelta
from penstock.wire import CompactionItem, Event, Message, Response
from requirements import shows
from support import oracle

PAST: list[Json] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "One."},
]
QUESTION: Json = {"role": "user", "content": "Two?"}
SMALL = [{"type": "compaction", "compact_threshold": 1}]
SUMMED: list[Delta] = [ReasoningDelta("Hm."), TextDelta(" A summary. "), UsageDelta(USAGE)]
ANSWER: list[Delta] = [TextDelta("Two."), UsageDelta(USAGE)]


class ChainCache(FakeUpstream):
    """An upstream that answers something else in each turn."""

    def __init__(self, *turns: FakeUpstream | ApiError) -> None:
        super().__init__()
        self.each = list(turns)

    async def open(self, turn: Turn) -> Deltas:
        self.turns.append(turn)
        generated = self.each[len(self.turns) - 1]
        if isinstance(generated, ApiError):
            raise generated
        return await generated.open(turn)


def played(upstream: ChainCache, limits: Limits = LIMITS, **request: Any) -> tuple[Response, list[Event | None]]:
    """The Response and every event; None where a heartbeat was due."""
    asked: Json = {"input": [*PAST, QUESTION], "context_management": SMALL, "stream": True} | request

    async def go() -> tuple[Response, list[Event | None]]:
        run = make_run(plan(upstream, seal=SEAL, **asked), limits)
        await run.open()
        events: list[Event | None] = []
        async for batch in run.events():
            events += batch or [None]
        return run.response, events

    return asyncio.run(go())


def types_of(events: list[Event | None]) -> list[str]:
    oracle.check_stream([to_json(event) for event in events if event is not None])
    return [event.type.removeprefix("response.") for event in events if event is not None]


def visible(turn: Turn) -> list[tuple[str, Any]]:
    return [(item.role, item.content) for item in turn.items if isinstance(item, Message)]


def test_the_model_sums_up_and_then_answers() -> None:
    upstream = ChainCache(FakeUpstream(SUMMED), FakeUpstream(ANSWER))
    response, events = played(upstream, instructions="Help.", max_output_tokens=5, tools=[], temperature=0.5)
    assert types_of(events)[2:5] == ["output_item.added", "output_item.done", "output_item.added"]
    summing, answering = upstream.turns
    assert visible(summing) == [("system", "Be brief."), ("user", "One?"), ("assistant", "One."), ("user", PROMPT)]
    assert (summing.request.instructions, summing.request.max_output_tokens) == ("Help.", None)
    system, summary, question = visible(answering)
    assert (system, question) == (("system", "Be brief."), ("user", "Two?"))
    assert summary[1].endswith("\n\nA summary."), "thoughts are no part of it"
    assert answering.request.max_output_tokens == 5
    assert response.usage is not None
    assert response.usage.total_tokens == 2 * USAGE.total_tokens
    assert [upstream.each[0].closed, upstream.each[1].closed] == [1, 1]  # type: ignore[union-attr]


def test_a_sealed_compaction_replaces_all_of_it() -> None:
    response, _ = played(ChainCache(FakeUpstream(SUMMED), FakeUpstream(ANSWER)))
    opened = SEAL.open_compaction(response.output[0].encrypted_content)  # type: ignore[union-attr, arg-type]
    assert opened is not None
    assert opened.summary == "A summary."
    assert [to_json(item) | {"type": ""} for item in opened.before or []] == [PAST[0] | {"type": ""}]
    assert [to_json(item) | {"type": ""} for item in opened.after] == [QUESTION | {"type": ""}]


@shows("context-management")
def test_in_the_midst_of_calls_all_but_the_instructions_is_summed_up() -> None:
    calls = [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ]
    upstream = ChainCache(FakeUpstream(SUMMED), FakeUpstream(ANSWER))
    played(upstream, input=[*PAST, QUESTION, *calls])
    assert [role for role, _ in visible(upstream.turns[1])] == ["system", "user"]


def test_what_leads_a_turn_is_in_no_other() -> None:
    """The items of a template are instructions: they stay, and are not sealed."""
    upstream = ChainCache(FakeUpstream(SUMMED), FakeUpstream(ANSWER))

    async def go() -> Response:
        made = plan(upstream, seal=SEAL, input=[*PAST, QUESTION], context_management=SMALL, stream=True)
        leads = Message(role="developer", content="By the template.")
        context = Context(earlier=[], own=list(made.turn.items), leading=[leads])
        made.turn.items = visible_items(context, SEAL)
        made.compacting = plan_compaction(made.turn, context, SEAL)
        run = make_run(made)
        await run.open()
        assert [batch async for batch in run.events()]
        return run.response

    opened = SEAL.open_compaction(asyncio.run(go()).output[0].encrypted_content)  # type: ignore[union-attr, arg-type]
    for turn in upstream.turns:
        assert visible(turn)[0] == ("developer", "By the template.")
    assert opened is not None
    assert [item.content for item in opened.before or [] if isinstance(item, Message)] == ["Be brief."]
    later = Context(
        earlier=[],
        own=[CompactionItem(encrypted_content=SEAL.compaction(opened))],
        leading=[Message(role="developer", content="Another one.")],
    )
    assert [item.content for item in visible_items(later, SEAL) if isinstance(item, Message)][:2] == [
        "Another one.",
        "Be brief.",
    ]


def test_usage_that_one_of_them_does_not_report_is_estimated() -> None:
    for summed, answered in [(SUMMED[:2], ANSWER), (SUMMED, ANSWER[:1]), (SUMMED[:2], ANSWER[:1])]:
        response, _ = played(ChainCache(FakeUpstream(summed), FakeUpstream(answered)))
        assert response.usage is not None
        assert response.usage.estimated is True


def test_an_estimate_is_that_of_both_turns() -> None:
    """The summary is written in one and read in the other."""

    def usage(summary: str) -> Any:
        return played(ChainCache(FakeUpstream([TextDelta(summary)]), FakeUpstream(ANSWER[:1])))[0].usage

    little, much = usage("A" * 4), usage("A" * 4_004)
    assert much.output_tokens == little.output_tokens + 1_000
    assert much.input_tokens == little.input_tokens + 1_000
    assert little.output_tokens == 1 + 1  # "AAAA" and "Two."


@pytest.mark.parametrize("stream", [True, False])
def test_the_compaction_stays_when_the_answer_fails(stream: bool) -> None:
    upstream = ChainCache(FakeUpstream(SUMMED), upstream_failed("no more"))
    response, events = played(upstream, stream=stream)
    assert types_of(events)[-2:] == ["output_item.done", "failed"]
    assert [item.type for item in response.output] == ["compaction"]
    assert response.error is not None
    assert response.error.message == "no more"


def test_nothing_is_stored_of_a_summary_that_fails() -> None:
    response, events = played(ChainCache(FakeUpstream([TextDelta("A")], upstream_failed("cut")), FakeUpstream(ANSWER)))
    assert types_of(events) == ["created", "in_progress", "failed"]
    assert response.output == []


def test_a_summary_without_an_end_fails() -> None:
    short = Seal(OpenSealer(), "me", 1_000)
    upstream = ChainCache(FakeUpstream(*[[TextDelta("x" * 100)]] * 50))

    async def go() -> Response:
        run = make_run(plan(upstream, seal=short, input=[*PAST, QUESTION], context_management=SMALL, stream=True))
        await run.open()
        assert [batch async for batch in run.events()]
        return run.response

    response = asyncio.run(go())
    assert response.error is not None
    assert "too long" in response.error.message


def test_what_is_too_long_to_be_sealed_is_refused() -> None:
    short = Seal(OpenSealer(), "me", 1_000)
    request: Json = {"input": [*PAST, QUESTION | {"content": "x" * 1_000}], "context_management": SMALL, "stream": True}

    async def go() -> ApiError | None:
        run = make_run(plan(ChainCache(FakeUpstream(SUMMED)), seal=short, **request))
        await run.open()
        assert [batch async for batch in run.events()]
        return run.error

    error = asyncio.run(go())
    assert error is not None
    assert (error.status, error.code) == (400, "context_too_long")


def test_heartbeats_wait_for_neither() -> None:
    """A wait for the summary, or for the answer to begin, is broken off and taken up again: nothing is asked twice."""
    limits = Limits(heartbeat_s=0.05, head_wait_s=0.01)

    async def go() -> tuple[list[str], ChainCache]:
        summing, opening = asyncio.Event(), asyncio.Event()
        upstream = ChainCache(FakeUpstream(SUMMED[:1], summing, SUMMED[1:]), FakeUpstream(ANSWER, opening=opening))  # type: ignore[arg-type]
        run = make_run(
            plan(upstream, seal=SEAL, input=[*PAST, QUESTION], context_management=SMALL, stream=True), limits
        )
        await run.open()
        seen: list[str] = []
        async for batch in run.events():
            seen += [event.type.removeprefix("response.") for event in batch] or ["heartbeat"]
            if seen.count("heartbeat") == 2:
                summing.set()
            if seen.count("heartbeat") == 4:
                opening.set()
        return seen, upstream

    seen, upstream = asyncio.run(go())
    assert seen.index("output_item.added") > seen.index("heartbeat")
    assert seen[-1] == "completed"
    assert len(upstream.turns) == 2


@pytest.mark.parametrize("when", ["summing", "opening", "answering"])
def test_a_disconnect_ends_the_current_call(when: str) -> None:
    async def go() -> list[int]:
        first = FakeUpstream(None) if when == "summing" else FakeUpstream(SUMMED)
        second = FakeUpstream(None, opening=asyncio.Event() if when == "opening" else None)
        upstream = ChainCache(first, second)
        made = plan(upstream, seal=SEAL, input=[*PAST, QUESTION], context_management=SMALL, stream=True)
        assert made.compacting is not None
        deltas = await open_compacted(upstream, made.turn, made.compacting)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                async for _ in deltas:
                    pass
        await deltas.aclose()
        return [first.closed, second.closed]

    closed = asyncio.run(go())
    assert closed[0] >= 1
    assert closed[1] == (1 if when == "answering" else 0)


NO_SEAL: dict[str, tuple[Json, str, str]] = {
    "compact": ({"input": "Hi"}, "/v1/responses/compact", "input"),
    "trigger": ({"input": [QUESTION, {"type": "compaction_trigger"}]}, "/v1/responses", "input"),
    "item": (
        {"input": [QUESTION, {"type": "compaction", "encrypted_content": "x"}]},
        "/v1/responses",
        "input[1].encrypted_content",
    ),
}


@shows("no-cryptography")
@pytest.mark.parametrize("name", NO_SEAL)
def test_without_a_sealer_it_is_refused_clearly(name: str) -> None:
    body, path, param = NO_SEAL[name]
    answer = asyncio.run(ask(service(FakeUpstream(ANSWER)), body, path=path))
    error = oracle.check_error(answer.json())
    assert (answer.status, error["param"], error["code"]) == (400, param, "unsupported_parameter")
    assert "penstock[server]" in error["message"]


@shows("no-cryptography")
def test_without_a_sealer_encrypted_reasoning_is_reported_as_ignored() -> None:
    body = {"input": [*PAST, QUESTION], "context_management": SMALL, "include": ["reasoning.encrypted_content"]}
    answer = asyncio.run(ask(service(FakeUpstream(ANSWER)), body))
    assert answer.status == 200
    assert answer.headers["x-penstock-ignored"] == "context_management, include[reasoning.encrypted_content]"


def test_the_lowest_threshold_counts() -> None:
    many = [{"type": "compaction", "compact_threshold": 10_000}, *SMALL, {"type": "compaction"}]
    made = plan(seal=SEAL, input=[*PAST, QUESTION], context_management=many)
    assert made.compacting is not None
    assert made.ignored == []
    assert plan(seal=SEAL, input=[*PAST, QUESTION], context_management=many[:1]).compacting is None


def test_what_a_later_version_sealed_does_not_open() -> None:
    sealer = OpenSealer()
    later = sealer.seal("compaction", "me", json.dumps({"summary": 1}).encode())
    assert SEAL.open_compaction(later) is None
    assert SEAL.open_thoughts(sealer.seal("reasoning", "me", b"\xff")) is None
    assert SEAL.open_compaction("compaction:me:" + "00" * LIMITS.sealed_chars_max) is None


def test_unknown_fields_are_in_it() -> None:
    sent = {"type": "message", "role": "user", "content": [{"type": "new_part", "x": 1}], "new_field": [None]}
    item = json_codec.decoder(Message).decode(json.dumps(sent).encode())
    opened = SEAL.open_compaction(SEAL.compaction(Compaction(summary="s", after=[item])))
    assert opened is not None
    assert [json.loads(json_codec.encode(stored)) for stored in opened.after] == [sent]


def test_a_compaction_by_itself_takes_messages_from_the_past() -> None:
    past = [Message(role="user", content="u"), Message(role="assistant", content="a")]
    text = [item.role for item in expand_compaction(Compaction(summary="s"), past) if isinstance(item, Message)]
    assert text == ["user", "user"]
