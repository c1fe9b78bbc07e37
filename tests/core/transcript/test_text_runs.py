"""Runs of text: a reader of single events sees the events that there would be without runs, and so does a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.kit import LIMITS, Recording, encode, singly, skeleton
from penstock import wire
from penstock.limits import Limits
from penstock.sse import encode_event, encode_events
from penstock.text_runs import GrowingText, TextRun
from penstock.tool_calls.custom_tool import CustomToolCallFormat
from penstock.transcript import IllegalEvent, Transcript, fold
from penstock.transcript.deltas import (
    AnnotationDelta,
    Delta,
    Finish,
    ReasoningRun,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from penstock.transcript.deltas import (
    TextRun as TextRunDelta,
)
from requirements import shows

PART = {"item_id": "msg_%d", "output_index": 0, "content_index": 3}
ITEM = {"item_id": 'fc_"delta":""', "output_index": 7}
EVENTS: dict[str, wire.Event] = {
    "text": wire.OutputTextDelta(**PART, delta="?"),
    "refusal": wire.RefusalDelta(**PART, delta=""),
    "thought": wire.ReasoningTextDelta(**PART, delta=""),
    "summary": wire.ReasoningSummaryTextDelta(item_id="rs_%%", output_index=1, summary_index=0, delta=""),
    "arguments": wire.FunctionCallArgumentsDelta(**ITEM, delta=""),
    "input": wire.CustomToolCallInputDelta(**ITEM, delta=""),
}
ODD = ['"', "\\", "\n", "\r\n", "\x00\x1f\x7f", "\u2028\u2029", "😀", "%d%b%%", "\x85", "x" * 100_000]
TEXTS = st.lists(st.text(min_size=1) | st.sampled_from(ODD), min_size=1, max_size=9)


@shows("text-runs")
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@given(TEXTS, st.integers(0, 10**6))
def test_a_run_is_written_as_its_events_are(event: wire.Event, texts: list[str], first: int) -> None:
    run = TextRun(GrowingText(event), first, texts)
    events = [*run.events()]
    assert [each.delta for each in events] == texts  # type: ignore[attr-defined]
    assert [each.sequence_number for each in events] == [*range(first, first + len(texts))]
    assert [replace(each, sequence_number=-1, delta="") for each in events] == [
        replace(event, sequence_number=-1, delta="")
    ] * len(texts)
    expected = b"".join(map(encode_event, events))
    assert encode_events([run]) == expected
    assert encode_events([events[0], run, run]) == encode_event(events[0]) + expected * 2


@pytest.mark.parametrize("texts", [["\ud800"], ["a", "\udfff"]])
def test_half_a_character_is_refused_as_it_is_in_an_event(texts: list[str]) -> None:
    run = TextRun(GrowingText(EVENTS["text"]), 0, texts)
    for recorded in ([run], [*run.events()]):
        with pytest.raises(UnicodeEncodeError):
            encode_events(recorded)


PIECES = st.text(min_size=1, max_size=4)
LOGPROB = wire.Logprob(token="t", logprob=-1.0)
CITATION = wire.UrlCitation(url="https://example.org")
DELTAS: st.SearchStrategy[Delta] = st.one_of(
    st.builds(TextRunDelta, st.lists(PIECES, min_size=1, max_size=6)),
    st.builds(ReasoningRun, st.lists(PIECES, min_size=1, max_size=6)),
    st.builds(TextDelta, st.text(max_size=3), st.sampled_from([[], [LOGPROB]])),
    st.builds(RefusalDelta, st.text(max_size=3)),
    st.just(AnnotationDelta(CITATION)),
    st.builds(ToolCallDelta, index=st.integers(0, 1), name=st.sampled_from(["f", "note"]), arguments=PIECES),
)
DELTA_LISTS = st.lists(DELTAS, max_size=12)
SHORT = replace(LIMITS, output_bytes_max=12)


def record(deltas: list[Delta], limits: Limits, *, summarize: bool) -> Recording:
    recording = Recording({"note": CustomToolCallFormat("note")}, limits, summarize=summarize)
    recording.record([*deltas, Finish("max_output_tokens")])
    return recording


@shows("text-runs")
@given(DELTA_LISTS, st.sampled_from([LIMITS, SHORT]), st.booleans())
def test_runs_make_the_events_that_their_pieces_make(sent: list[Delta], limits: Limits, summarize: bool) -> None:
    """The events have their numbers, recorded one by one they are legal, and they make the same Response."""
    run, single = (record(deltas, limits, summarize=summarize) for deltas in (sent, singly(sent)))
    assert run.events == single.events
    assert [event["sequence_number"] for event in run.events] == [*range(len(run.events))]
    assert encode(run.transcript.snapshot()) == encode(single.transcript.snapshot()) == encode(fold(run.recorded))


def open_text() -> tuple[Transcript, Any]:
    transcript = Transcript()
    message = wire.Message(id="msg_%d", status="in_progress", role="assistant", content=[])
    at = PART | {"content_index": 0}
    for event in (
        wire.Created(response=skeleton()),
        wire.InProgress(response=skeleton()),
        wire.OutputItemAdded(output_index=0, item=message),
        wire.ContentPartAdded(**at, part=wire.OutputText(text="")),
    ):
        transcript.record(event)
    return transcript, transcript.open_text(wire.OutputTextDelta(**at, delta=""))


def test_events_and_runs_of_one_text_may_take_turns() -> None:
    transcript, text = open_text()
    transcript.take()
    transcript.record_run(text, ["a", "b"])
    transcript.record(wire.OutputTextDelta(**PART | {"content_index": 0}, delta="c"))
    transcript.record_run(text, ["d"])
    assert transcript.snapshot().output[0].content[0].text == "abcd"  # type: ignore[union-attr, index]
    assert [type(recorded).__name__ for recorded in transcript._fresh] == ["TextRun", "OutputTextDelta", "TextRun"]
    assert [event.sequence_number for event in transcript.fresh] == [4, 5, 6, 7]
    assert [event.delta for event in transcript.take()] == ["a", "b", "c", "d"]  # type: ignore[attr-defined]
    assert transcript.take_runs() == []


ENDS: dict[str, Callable[[Transcript], None]] = {
    "settled": lambda transcript: transcript.record(wire.OutputTextDone(**PART | {"content_index": 0}, text="")),
    "abandoned": Transcript.abandon,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_text_that_has_ended_takes_no_run(end: Callable[[Transcript], None]) -> None:
    transcript, text = open_text()
    end(transcript)
    before = encode(transcript.snapshot())
    transcript.take()
    with pytest.raises(IllegalEvent, match=r"response.output_text.delta in state"):
        transcript.record_run(text, ["late"])
    assert (encode(transcript.snapshot()), transcript.take()) == (before, [])


def test_a_text_that_never_began_cannot_be_opened() -> None:
    transcript, _ = open_text()
    with pytest.raises(IllegalEvent, match="that was never added"):
        transcript.open_text(EVENTS["text"])
