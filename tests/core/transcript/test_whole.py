"""Items of which no event is read: the Response is, byte for byte, the one that the events make."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.kit import CUTS, LIMITS, USAGE, Json, Recording, decode_event, encode, from_json, skeleton, split
from penstock import wire
from penstock.errors import ApiError, upstream_failed
from penstock.returned import carried
from penstock.tool_calls import OFFERS, CallFormat
from penstock.tool_calls.custom_tool import CustomToolCallFormat
from penstock.tool_calls.function_call import FunctionCallFormat
from penstock.transcript import IllegalEvent, Transcript, fold
from penstock.transcript.deltas import (
    AnnotationDelta,
    AudioDelta,
    Compacted,
    Delta,
    Extras,
    Finish,
    ImageDelta,
    ReasoningDelta,
    ReasoningRun,
    RefusalDelta,
    ResponseFields,
    TextDelta,
    TextRun,
    ToolCallDelta,
    UpstreamFailed,
    UsageDelta,
)
from requirements import shows
from support import samples

CLIENT_TOOLS: list[Json] = [
    {"type": "local_shell"},
    {"type": "shell"},
    {"type": "apply_patch"},
    {"type": "computer"},
    {"type": "computer_use_preview", "display_width": 800, "display_height": 600, "environment": "browser"},
    {"type": "tool_search", "execution": "client", "parameters": {}},
]
ARGUMENTS = [
    '{"command": ["ls", "-l"], "timeout_ms": 1000}',
    '{"commands": ["ls -l", "", "pwd"], "max_output_length": 5}',
    '{"type": "update_file", "path": "a.py", "diff": "@@\\n-a\\n+b"}',
    '{"actions": [{"type": "click", "button": "left", "x": 1, "y": 2}, {"type": "wait"}]}',
    '{"action": {"type": "scroll", "x": 1, "y": 2, "scroll_x": 0, "scroll_y": -9}}',
    '{"input": "a \\"b\\" \\u00e4"}',
    '{"query": "maps"}',
    "",
    "ls",
    '{"half": ',
]
"""A call of every tool, and what is none of any."""


def _forms() -> dict[str, CallFormat]:
    tools: list[Any] = [from_json(tool, wire.Tool) for tool in CLIENT_TOOLS]
    forms: dict[str, CallFormat] = {
        offer.name: form for tool in tools for offer, form in OFFERS[type(tool)](tool) or ()
    }
    return forms | {"look": FunctionCallFormat("look"), "note": CustomToolCallFormat("note", "space")}


FORMS = _forms()
LOGPROB = wire.Logprob(token="Hi", logprob=-1.0, bytes=[72, 105])
DELTAS: st.SearchStrategy[Delta] = st.one_of(
    st.text(max_size=4).map(TextDelta),
    st.text(max_size=4).map(RefusalDelta),
    st.text(max_size=4).map(ReasoningDelta),
    st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3).map(TextRun),
    st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3).map(ReasoningRun),
    st.just(TextDelta("Hi", [LOGPROB])),
    st.just(AnnotationDelta(wire.UrlCitation(url="https://example.com"))),
    st.just(ImageDelta("aW1hZ2U=", "png")),
    st.just(ImageDelta("aW1hZ2U=")),
    st.just(AudioDelta("c291bmQ=")),
    st.just(Compacted("sealed")),
    st.just(UsageDelta(wire.Usage(input_tokens=2, output_tokens=3, total_tokens=5))),
    st.just(Extras(origin="there", turn={"sign": msgspec.Raw(b"1")}, calls={0: {"sign": msgspec.Raw(b"2")}})),
    st.just(ResponseFields({"temperature": 0.5})),
)
ENDS: st.SearchStrategy[list[Delta]] = st.sampled_from(
    [
        [Finish()],
        [Finish("max_output_tokens")],
        [Finish("content_filter")],
        [UpstreamFailed(wire.ResponseError(code="x", message="It broke."))],
        [],
    ]
)


@st.composite
def calls(draw: st.DrawFn, index: int) -> list[Delta]:
    """One call in pieces; its name and id come with any of them, or never."""
    pieces = split(draw(st.sampled_from(ARGUMENTS)).encode(), draw(CUTS)[:3])
    deltas = [ToolCallDelta(index=index, arguments=piece.decode()) for piece in pieces]
    deltas[draw(st.integers(0, len(deltas) - 1))].name = draw(st.sampled_from([*FORMS, "other", None]))
    deltas[draw(st.integers(0, len(deltas) - 1))].call_id = draw(st.sampled_from([None, "call_0", f"call_{index}"]))
    return list(deltas)


@st.composite
def speeches(draw: st.DrawFn) -> list[Delta]:
    """What a message contains, with several calls between, and how the turn ends."""
    voices = [draw(st.lists(DELTAS, max_size=8))] + [draw(calls(index)) for index in range(draw(st.integers(0, 3)))]
    speech: list[Delta] = []
    while any(voices):
        speech.append(draw(st.sampled_from([voice for voice in voices if voice])).pop(0))
    return speech + draw(ENDS)


def sealed(item: wire.ReasoningItem) -> str | None:
    """All that a seal is shown."""
    return encode([item, carried(item)]).hex()


OPTIONS = st.fixed_dictionaries(
    {
        "summarize": st.booleans(),
        "report_usage": st.booleans(),
        "seal": st.sampled_from([None, sealed]),
        "seal_extras": st.sampled_from([None, sealed]),
        "limits": st.builds(
            lambda chars, items: msgspec.structs.replace(LIMITS, output_bytes_max=chars, output_items_max=items),
            st.sampled_from([LIMITS.output_bytes_max, 30]),
            st.sampled_from([LIMITS.output_items_max, 2]),
        ),
    }
)


def record(speech: list[Delta], *, in_events: bool, fails_at: int | None, **options: Any) -> Recording:
    """What comes of it, to its end or to an error within."""
    recording = Recording(FORMS, in_events=in_events, **options)
    if fails_at is None:
        recording.record(speech)
        return recording
    try:
        recording.receive(speech[: fails_at % (len(speech) + 1)])
        recording.fail(upstream_failed("It broke."))
    except ApiError as error:
        recording.fail(error)
    return recording


@shows("whole-replies")
@pytest.mark.slow
@settings(max_examples=500)
@given(speeches(), st.none() | st.integers(0, 30), OPTIONS)
def test_at_once_or_event_by_event_it_is_the_same_response(
    speech: list[Delta], fails_at: int | None, options: dict[str, Any]
) -> None:
    events = record(speech, in_events=True, fails_at=fails_at, **options)
    whole = record(speech, in_events=False, fails_at=fails_at, **options)
    response = encode(events.transcript.snapshot())
    assert encode(whole.transcript.snapshot()) == response
    assert encode(fold(decode_event(encode(event)) for event in events.recorded)) == response
    assert whole.events[-1]["type"] == events.events[-1]["type"]
    assert whole.reducer.returned() == events.reducer.returned()


@pytest.mark.slow
@settings(max_examples=100)
@given(speeches(), OPTIONS)
def test_a_turn_that_is_cut_is_the_same_response(speech: list[Delta], options: dict[str, Any]) -> None:
    def cut(*, in_events: bool) -> bytes | str:
        recording = Recording(FORMS, in_events=in_events, **options)
        try:
            recording.receive(speech)
            return encode(recording.reducer.ending(lambda _: USAGE, is_cut=True).response)
        except ApiError as error:
            return str(error)

    assert cut(in_events=False) == cut(in_events=True)


# The one step.


def begun() -> Transcript:
    transcript = Transcript()
    transcript.record(wire.Created(response=skeleton()))
    transcript.record(wire.InProgress(response=skeleton()))
    return transcript


def items() -> list[Any]:
    """An item of every family that a response has, as it ends."""
    events = [from_json(event, wire.StreamEvent) for event in samples.stream()]
    return [event.item for event in events if isinstance(event, wire.OutputItemDone)]


def test_whole_items_make_the_response_that_their_events_make() -> None:
    transcript = begun()
    for item in items():
        transcript.record_item(item)
    made = fold(from_json(event, wire.StreamEvent) for event in samples.stream())
    assert transcript.snapshot().output == made.output
    assert len(made.output) > 10
    assert [event.type for event in transcript.take()] == ["response.created", "response.in_progress"]


def test_a_whole_item_stands_only_where_an_item_may_be_added() -> None:
    item, other = items()[:2]
    transcript = Transcript()
    with pytest.raises(IllegalEvent, match="'new'"):
        transcript.record_item(item)
    transcript = begun()
    transcript.record_item(item)
    with pytest.raises(IllegalEvent, match="id of another item"):
        transcript.record_item(item)
    transcript.record(wire.Completed(response=transcript.snapshot()))
    with pytest.raises(IllegalEvent, match="'completed'"):
        transcript.record_item(other)


def test_a_whole_response_ends_once_and_in_the_way_of_its_event() -> None:
    ends: list[Any] = []
    for end in (Transcript.record, Transcript.record_end):
        transcript = begun()
        transcript.record_item(items()[0])
        ending = wire.Completed(response=transcript.snapshot(status="completed"))
        end(transcript, ending)
        assert transcript.is_ended
        ends.append(transcript.snapshot())
        with pytest.raises(IllegalEvent, match="'completed'"):
            transcript.record_end(ending)
    assert ends[0] == ends[1]
    with pytest.raises(IllegalEvent):
        Transcript().record_end(ending)


def test_a_whole_response_does_not_end_before_its_items() -> None:
    transcript = begun()
    message = wire.Message(id="msg_1", status="in_progress", role="assistant", content=[])
    transcript.record(wire.OutputItemAdded(output_index=0, item=message))
    with pytest.raises(IllegalEvent, match="still open"):
        transcript.record_end(wire.Completed(response=transcript.snapshot(status="completed")))


def test_events_about_a_whole_item_are_illegal() -> None:
    transcript = begun()
    message = wire.Message(id="msg_1", status="completed", role="assistant", content=[])
    transcript.record_item(message)
    with pytest.raises(IllegalEvent):
        transcript.record(wire.OutputItemDone(output_index=0, item=message))


def test_items_stand_in_the_order_in_which_they_began() -> None:
    """A call that began before the message and ended behind it is the first of the two."""
    recording = Recording(FORMS, in_events=False)
    recording.record(
        [
            ToolCallDelta(index=0, name="look", call_id="c", arguments='{"a"'),
            TextDelta("Hi"),
            ReasoningDelta("So"),
            ToolCallDelta(index=0, arguments=": 1}"),
            Finish(),
        ]
    )
    response = recording.transcript.snapshot()
    assert [item.type for item in response.output] == ["function_call", "message", "reasoning"]
