"""Whatever an upstream sends, and wherever it stops: a legal stream with one end, and no content is lost."""

import json
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import LIMITS, USAGE, Json, Recording, encode, from_json, to_json
from penstock import wire
from penstock.errors import upstream_failed
from penstock.returned import Returned, carried
from penstock.tool_calls.custom_tool import CustomToolCallFormat
from penstock.tool_calls.function_call import FunctionCallFormat
from penstock.transcript import fold
from penstock.transcript.deltas import (
    AnnotationDelta,
    Compacted,
    Delta,
    Extras,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from requirements import shows
from support import oracle
from support.growth import check_growth

FORMS = {"look": FunctionCallFormat("look"), "note": CustomToolCallFormat("note")}
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}


def text(value: str) -> TextDelta:
    return TextDelta(value)


def call(index: int, arguments: str = "", name: str | None = None, call_id: str | None = None) -> ToolCallDelta:
    return ToolCallDelta(index=index, arguments=arguments, name=name, call_id=call_id)


def record(*deltas: Delta, **options: Any) -> Recording:
    recording = Recording(FORMS, **options)
    recording.record(deltas)
    return recording


def outline(response: Json) -> list[Any]:
    """The output in short: what each item is and contains."""
    return [_item(item) for item in response["output"]]


def _item(item: Json) -> tuple[Any, ...]:
    texts = [part.get("text", part.get("refusal")) for part in item.get("content", [])]
    texts += [item[key] for key in ("arguments", "input") if key in item]
    return (item["type"], item["status"], *texts)


# Any sequence.

PIECES = st.text(max_size=4)
ARGUMENTS = st.one_of(
    st.recursive(st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2))
    .map(lambda value: msgspec.json.encode({"input": value}).decode()),
    st.sampled_from(["", '{"input": "ls \\"-l', "ls -l", "12", '{"a"']),
)  # fmt: skip
DELTAS = st.one_of(
    PIECES.map(TextDelta),
    PIECES.map(RefusalDelta),
    PIECES.map(ReasoningDelta),
    st.just(TextDelta("Hi", [wire.Logprob(token="Hi", logprob=-1.0, bytes=[72, 105])])),
    st.just(AnnotationDelta(wire.UrlCitation(url="https://example.com"))),
    st.just(UsageDelta(wire.Usage(input_tokens=2, output_tokens=3, total_tokens=5))),
)


@st.composite
def calls(draw: st.DrawFn, index: int) -> list[Delta]:
    """One call in pieces; its name and id come with any of them, or never."""
    arguments = draw(ARGUMENTS)
    cuts = sorted({at % (len(arguments) + 1) for at in draw(st.lists(st.integers(0, 30), max_size=4))})
    ends = [*cuts, len(arguments)]
    pieces = [call(index, arguments[start:end]) for start, end in zip([0, *cuts], ends, strict=True)]
    pieces[draw(st.integers(0, len(pieces) - 1))].name = draw(st.sampled_from([*FORMS, "other"]))
    pieces[draw(st.integers(0, len(pieces) - 1))].call_id = draw(st.sampled_from([None, f"call_{index}"]))
    return list(pieces)


@st.composite
def speeches(draw: st.DrawFn) -> list[Delta]:
    """Several voices at once, each in its own order."""
    voices = [draw(st.lists(DELTAS, max_size=8))] + [draw(calls(index)) for index in range(draw(st.integers(0, 3)))]
    speech: list[Delta] = []
    while any(voices):
        voice = draw(st.sampled_from([voice for voice in voices if voice]))
        speech.append(voice.pop(0))
    return speech


class UpstreamReport(NamedTuple):
    """The content, put together without any idea of items."""

    text: str
    refusal: str
    reasoning: str
    calls: list[tuple[str, str]]
    """The name and the arguments of each, in the order in which they were named."""


def put_together(deltas: list[Delta]) -> UpstreamReport:
    texts: dict[type, str] = defaultdict(str)
    indexes: dict[int, str] = defaultdict(str)
    names: dict[int, str] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            indexes[delta.index] += delta.arguments
            names |= {delta.index: delta.name} if delta.name else {}
        elif isinstance(delta, TextDelta | RefusalDelta | ReasoningDelta):
            texts[type(delta)] += delta.text
    calls = [(name, indexes[index]) for index, name in names.items()]
    return UpstreamReport(texts[TextDelta], texts[RefusalDelta], texts[ReasoningDelta], calls)


def report_of(response: Json) -> UpstreamReport:
    parts = [part for item in response["output"] for part in item.get("content", [])]
    texts = {
        kind: "".join(part.get("text", part.get("refusal")) for part in parts if part["type"] == kind)
        for kind in ("output_text", "refusal", "reasoning_text")
    }
    calls = [item for item in response["output"] if "call_id" in item]
    return UpstreamReport(*texts.values(), [(item["name"], item.get("arguments", item.get("input"))) for item in calls])


def check_text(speech: list[Delta], response: Json, *, well: bool) -> None:
    """Nothing is lost; but of a custom call that was cut, what may be half a character is not sent."""
    texts, got = put_together(speech), report_of(response)
    assert got[:3] == texts[:3]
    assert [name for name, _ in got.calls] == [name for name, _ in texts.calls]
    for (name, there), (_, here) in zip(texts.calls, got.calls, strict=True):
        if name != "note":
            assert here == there or (not there and here == "{}")
        else:
            assert here == inside(there) if well else inside(there).startswith(here)


HEAD = re.compile(r'\{"input": ?"')


def string_begun(inside: str) -> str:
    """What the whole escapes at the beginning of a string contain."""
    while True:
        try:
            return str(json.loads(f'"{inside}"', strict=False))
        except ValueError:
            inside = inside[:-1]


def inside(arguments: str) -> str:
    """The input within arguments of any form."""
    try:
        value = msgspec.json.decode(arguments)["input"]
    except (msgspec.DecodeError, KeyError, TypeError):
        begun = HEAD.match(arguments)
        return string_begun(arguments[begun.end() :]) if begun else arguments
    return value if isinstance(value, str) else arguments


def sealed(item: wire.ReasoningItem) -> str:
    """So that a test can read it."""
    return "".join(part.text for part in item.content or ())[::-1]


OPTIONS = st.fixed_dictionaries(
    {"summarize": st.booleans(), "report_usage": st.booleans(), "seal": st.sampled_from([None, sealed])}
)
ENDS = st.sampled_from([None, "max_output_tokens", "content_filter"]).map(Finish)


def check(recording: Recording) -> Json:
    """Everything that must hold of every stream; gives the Response."""
    response = oracle.check_stream(recording.events)
    assert [event["type"] for event in recording.events if event["type"] in TERMINAL] == [recording.events[-1]["type"]]
    assert to_json(recording.transcript.snapshot()) == response
    assert [to_json(event) for event in recording.recorded] == recording.events
    again = [from_json(event, wire.StreamEvent) for event in recording.events]
    assert encode(fold(again)) == encode(recording.transcript.snapshot())
    return response


@shows("arguments")
@given(speeches(), ENDS, OPTIONS)
def test_any_speech_is_reported_whole(speech: list[Delta], end: Finish, options: dict[str, Any]) -> None:
    response = check(record(*speech, end, **options))
    assert response["status"] == ("incomplete" if end.incomplete else "completed")
    check_text(speech, response, well=not end.incomplete)


@given(speeches(), st.integers(0), OPTIONS)
def test_a_speech_that_is_cut_is_reported_so_far(speech: list[Delta], at: int, options: dict[str, Any]) -> None:
    speech = speech[: at % (len(speech) + 1)]
    recording = Recording(FORMS, **options)
    recording.receive(speech)
    recording.fail(upstream_failed("cut"))
    response = check(recording)
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    check_text(speech, response, well=False)


@given(speeches())
def test_a_summary_is_the_thought_again(speech: list[Delta]) -> None:
    output = check(record(*speech, Finish(), summarize=True))["output"]
    for item in output:
        if item["type"] == "reasoning":
            assert [part["text"] for part in item["summary"]] == [part["text"] for part in item["content"]]


@shows("sealed-thoughts")
@given(speeches(), st.booleans())
def test_every_thought_is_sealed_when_it_ends_and_not_before(speech: list[Delta], summarize: bool) -> None:
    recording = record(*speech, Finish(), summarize=summarize, seal=sealed)
    for item in check(recording)["output"]:
        if item["type"] == "reasoning":
            assert item["encrypted_content"] == "".join(part["text"] for part in item["content"])[::-1]
    added = [event["item"] for event in recording.events if event["type"] == "response.output_item.added"]
    assert not [item for item in added if "encrypted_content" in item]


def test_a_compaction_is_an_item_of_its_own() -> None:
    response = check(record(Compacted("sealed"), text("a"), Finish()))
    compaction, message = response["output"]
    assert (compaction["type"], compaction["encrypted_content"]) == ("compaction", "sealed")
    assert compaction["id"].startswith("cmp_")
    assert message["content"][0]["text"] == "a"


# Single cases.

SPEECHES: dict[str, tuple[list[Delta], list[Any]]] = {
    "nothing": ([], []),
    "empty pieces": ([text(""), ReasoningDelta(""), RefusalDelta("")], []),
    "text": ([text("a"), text("b")], [("message", "completed", "ab")]),
    "thoughts, then text": (
        [ReasoningDelta("a"), text("b")],
        [("reasoning", "completed", "a"), ("message", "completed", "b")],
    ),
    "thoughts between texts": (
        [text("a"), ReasoningDelta("b"), text("c")],
        [("message", "completed", "a"), ("reasoning", "completed", "b"), ("message", "completed", "c")],
    ),
    "a refusal within a message": ([text("a"), RefusalDelta("b")], [("message", "completed", "a", "b")]),
    "a call": (
        [call(0, name="look", call_id="c"), call(0, '{"a"'), call(0, ":1}")],
        [("function_call", "completed", '{"a":1}')],
    ),
    "a call without arguments": ([call(0, name="look")], [("function_call", "completed", "{}")]),
    "a custom call": (
        [call(0, name="note"), call(0, '{"input": "a\\'), call(0, 'n"}')],
        [("custom_tool_call", "completed", "a\n")],
    ),
    "a custom call of another form": ([call(0, "ls", "note")], [("custom_tool_call", "completed", "ls")]),
    "a tool that was never offered": ([call(0, "{}", "hack")], [("function_call", "completed", "{}")]),
    "a name that comes late": (
        [call(0, '{"a"'), call(0, ":1", "look"), call(0, "}")],
        [("function_call", "completed", '{"a":1}')],
    ),
    "calls at once": (
        [call(0, "{", "look"), call(1, "[", "look"), call(0, "}"), call(1, "]")],
        [("function_call", "completed", "{}"), ("function_call", "completed", "[]")],
    ),
    "text between the pieces of a call": (
        [call(0, '{"a"', "look"), text("so"), call(0, ":1}")],
        [("function_call", "completed", '{"a":1}'), ("message", "completed", "so")],
    ),
    "thoughts between the pieces of a call": (
        [call(0, '{"a"', "look"), ReasoningDelta("so"), call(0, ":1}")],
        [("function_call", "completed", '{"a":1}'), ("reasoning", "completed", "so")],
    ),
    "a number that goes on": (
        [call(0, "1", "note"), call(1, "{}", "look"), call(0, "2")],
        [("custom_tool_call", "completed", "12"), ("function_call", "completed", "{}")],
    ),
    "the arguments once more at the end": (
        [call(0, "{}", "look"), call(1, "{}", "look"), call(0, "{}")],
        [("function_call", "completed", "{}"), ("function_call", "completed", "{}")],
    ),
}


@pytest.mark.parametrize(("speech", "output"), SPEECHES.values(), ids=SPEECHES)
def test_the_events_of_deltas(speech: list[Delta], output: list[Any]) -> None:
    assert outline(check(record(*speech, Finish()))) == output


@shows("mixed-calls")
def test_a_call_that_is_whole_ends_when_the_next_begins() -> None:
    """So that a client may run it meanwhile."""
    events = record(call(0, "{}", "look"), call(1, '{"a"', "look"), call(1, ":1}"), Finish()).events
    kinds = [(event["type"].removeprefix("response."), event.get("output_index")) for event in events]
    assert kinds.index(("output_item.done", 0)) < kinds.index(("output_item.added", 1))


@shows("incomplete")
@pytest.mark.parametrize("speech", [[], [text("a")], [ReasoningDelta("a")], [call(0, '{"a"', "look")]])
def test_what_was_open_at_a_stop_is_incomplete(speech: list[Delta]) -> None:
    response = check(record(*speech, Finish("max_output_tokens")))
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert {item["status"] for item in response["output"]} <= {"incomplete"}


def test_a_whole_call_is_complete_even_if_the_response_is_not() -> None:
    response = check(record(call(0, "{}", "look"), Finish("max_output_tokens")))
    assert outline(response) == [("function_call", "completed", "{}")]


def test_a_call_that_is_never_named_fails_the_response() -> None:
    response = check(record(text("a"), call(0, "{}"), Finish()))
    assert response["status"] == "failed"
    assert "without naming it" in response["error"]["message"]
    assert outline(response) == [("message", "completed", "a")]


def test_ids_stay_and_are_made_up_where_there_are_none() -> None:
    response = check(record(call(0, "{}", "look", "call_x"), call(1, "{}", "note"), Finish()))
    assert [item["call_id"] for item in response["output"]] == ["call_x", "call_2"]
    assert [item["id"].partition("_")[0] for item in response["output"]] == ["fc", "ctc"]


def test_usage_is_the_last_that_was_reported() -> None:
    usages = [UsageDelta(wire.Usage(input_tokens=n, output_tokens=n, total_tokens=2 * n)) for n in (1, 2)]
    recording = record(*usages, Finish(), report_usage=True)
    assert check(recording)["usage"]["total_tokens"] == 4
    assert recording.events[-2] | {"usage": 0} == {"type": "response.usage", "sequence_number": 2, "usage": 0}


@shows("quirk-usage")
def test_usage_is_estimated_where_none_was_reported() -> None:
    seen: list[Any] = []

    def estimate(response: wire.Response) -> wire.Usage:
        seen.extend(outline(to_json(response)))
        return wire.Usage(input_tokens=1, output_tokens=2, total_tokens=3, estimated=True)

    recording = Recording()
    recording.record([text("Hi"), Finish()], estimate)
    assert check(recording)["usage"]["estimated"] is True
    assert seen == [("message", "completed", "Hi")]


TOP = wire.TopLogprob(token="y", bytes=[121, 121], logprob=-1.5)
CITED = wire.UrlCitation(url="https://a.example", title="A", start_index=0, end_index=1)
BOUNDS: dict[str, tuple[dict[str, int], Callable[[int], Delta], str]] = {
    "items": ({"output_items_max": 3}, lambda n: [text("x"), ReasoningDelta("x")][n % 2], "3 output items"),
    "calls": ({"output_items_max": 3}, lambda n: call(n, "{}", "look"), "3 output items"),
    "text": ({"output_bytes_max": 3}, lambda _: text("x"), "3 characters"),
    "refusals": ({"output_bytes_max": 3}, lambda _: RefusalDelta("x"), "3 characters"),
    "thoughts": ({"output_bytes_max": 3}, lambda _: ReasoningDelta("x"), "3 characters"),
    "arguments": ({"output_bytes_max": 3}, lambda _: call(0, "x", "look"), "3 characters"),
    "logprobs": (
        {"output_bytes_max": 18},
        lambda _: TextDelta("x", [wire.Logprob(token="x", bytes=[120], logprob=-0.5, top_logprobs=[TOP])]),
        "18 characters",
    ),
    "annotations": (
        {"output_bytes_max": 3 * len(encode(CITED))},
        lambda _: AnnotationDelta(CITED),
        f"{3 * len(encode(CITED))} characters",
    ),
    "unnamed arguments": ({"output_bytes_max": 3}, lambda _: call(0, "x"), "3 characters"),
}


@pytest.mark.parametrize(("bounds", "nth", "reason"), BOUNDS.values(), ids=BOUNDS)
def test_an_upstream_that_sends_too_much_fails(
    bounds: dict[str, int], nth: Callable[[int], Delta], reason: str
) -> None:
    limits = msgspec.structs.replace(LIMITS, **bounds)
    assert reason not in str(check(record(*(nth(n) for n in range(3)), Finish(), limits=limits))["error"])
    response = check(record(*(nth(n) for n in range(9)), Finish(), limits=limits))
    assert response["status"] == "failed"
    assert reason in response["error"]["message"]


@pytest.mark.slow
@shows("memory")
def test_many_pieces_make_one_text() -> None:
    recording = record(*[text("x")] * 20_000, Finish())
    assert outline(check(recording)) == [("message", "completed", "x" * 20_000)]
    assert len(recording.events) == 20_000 + 8


@shows("call-ids-of-a-turn")
def test_calls_of_one_turn_have_ids_of_their_own() -> None:
    given = ("call_0", "call_0", None, None)
    recording = record(*(call(index, "{}", "look", call_id) for index, call_id in enumerate(given)))
    first, *others = [item["call_id"] for item in to_json(recording.transcript.snapshot())["output"]]
    assert first == "call_0"
    assert len({first, *others}) == 4


@shows("sealed-extras")
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("calls", [True, False])
def test_what_the_upstream_wants_back_is_sealed_for_who_asked_and_where_it_is_needed(asked: bool, calls: bool) -> None:
    wanted = Extras(origin="there", turn={"details": msgspec.Raw(b"1")}, calls={0: {"sign": msgspec.Raw(b"2")}})
    texts = [call(0, "{}", "look", "c")] if calls else [text("Hi")]
    recording = Recording(
        FORMS, seal=sealed if asked else None, seal_extras=lambda item: encode(carried(item)).decode()
    )
    recording.receive([*texts, wanted, Finish()])
    *_, last = to_json(recording.reducer.ending(lambda _: USAGE).response)["output"]
    assert (last["type"] == "reasoning") == (asked or calls)
    returned = Returned(origin="there", turn=wanted.turn, calls={"c": wanted.calls[0]} if calls else {})
    assert last.get("encrypted_content") in (None, encode(returned).decode())
    assert recording.reducer.returned() == {last["id"]: returned}


@shows("linear-work")
def test_a_message_of_many_parts_costs_in_proportion_to_them() -> None:
    check_growth(lambda size: record(*[text("a"), RefusalDelta("b")] * size), 1_000)
