"""Golden transcripts: what upstreams send, scripted and real, and everything that comes of it.

`make golden` writes them anew; what changed is then in the diff, a line for each delta and event.
"""

import asyncio
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.kit import CUTS, LIMITS, Json, Scripted, ScriptedReply, decode_event, encode, split, to_json
from core.replay import (
    Played,
    bytes_of,
    captures,
    play,
    play_capture,
    play_script,
    request_of,
    transcript,
    transport_of,
)
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.ports import TransportError
from penstock.transcript import fold
from requirements import shows
from support import oracle
from support.scripts import BROKEN, HANGING, REFUSED, SCRIPTS
from support.steps import Expect

ENDS = {"completed", "incomplete", "failed"}
TOO_LONG = {"flood"}
"""Twenty megabytes of one letter make no story to read: that script is for slow readers."""

SCRIPTED = [name for name in SCRIPTS if name not in TOO_LONG]
CAPTURED = [*captures()]
WHOLE = [name for name in SCRIPTED if name not in BROKEN | HANGING | REFUSED or name == "flaky"]
"""Scripts that end well."""
each_script = pytest.mark.parametrize("name", SCRIPTED)
each_capture = pytest.mark.parametrize("name", CAPTURED)


@cache
def played(name: str) -> Played:
    return play_script(name) if name in SCRIPTS else play_capture(name)


@shows(
    "quirk-no-choices",
    "quirk-usage",
    "quirk-calls",
    "quirk-parts",
    "quirk-finish",
    "quirk-no-done",
    "quirk-thoughts",
    "quirk-errors",
)
@each_script
def test_a_script_is_reported_as_it_was(name: str, golden: Callable[[str | Path, str], None]) -> None:
    golden(f"transcripts/{name}.txt", transcript(played(name), SCRIPTS[name]))


@each_capture
def test_a_capture_is_reported_as_it_was(name: str, golden: Callable[[str | Path, str], None]) -> None:
    golden(f"transcripts/{name.replace('.', '_')}.txt", transcript(played(name)))


def test_there_is_no_file_without_a_story() -> None:
    files = {file.stem for file in (Path(__file__).parents[1] / "transcripts").glob("*.txt")}
    assert files == {*SCRIPTED, *(name.replace(".", "_") for name in CAPTURED)}


@shows("one-end", "incomplete")
@each_script
def test_a_script_ends_as_it_should(name: str) -> None:
    """A refusal that comes before the stream is an HTTP status; where no word of it came, a failure too."""
    expect = SCRIPTS[name].expect
    end = played(name)
    if end.error is not None:
        assert end.error.status == expect.http
    else:
        assert expect.http == 200
        check_text(to_json(end.response), expect)


def check_text(response: Json, expect: Expect) -> None:
    parts = [part for item in response["output"] for part in item.get("content", [])]
    for kind, text in {
        "output_text": expect.text,
        "refusal": expect.refusal,
        "reasoning_text": expect.reasoning,
    }.items():
        if text is not None:
            assert "".join(part.get("text", part.get("refusal")) for part in parts if part["type"] == kind) == text
    calls = [item for item in response["output"] if item["type"] in {"function_call", "custom_tool_call"}]
    if expect.calls is not None:
        assert [(item["type"], item["name"]) for item in calls] == [(call.type, call.name) for call in expect.calls]
        for item, call in zip(calls, expect.calls, strict=True):
            assert item.get("arguments", item.get("input")) == (call.payload or "{}")
    assert response["status"] == expect.status
    assert (response["incomplete_details"] or {}).get("reason") == expect.reason
    if expect.tokens:
        assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == expect.tokens


@shows("pairs", "identity", "numbers", "framing")
@pytest.mark.parametrize("name", [*SCRIPTED, *CAPTURED])
def test_every_story_is_a_legal_one(name: str) -> None:
    """The judge accepts every event; the fold of what was sent is the Response; nothing changed behind our back."""
    end = played(name)
    if end.error is not None:
        oracle.check_error(json.loads(end.error.body()))
        assert end.events == []
        return
    written = oracle.check_stream([json.loads(event) for event in end.encoded])
    assert written == to_json(end.response)
    assert [to_json(event) for event in end.events] == [json.loads(event) for event in end.encoded]


@pytest.mark.parametrize("name", [*SCRIPTED, *CAPTURED])
def test_a_story_that_is_reported_again_is_the_same(name: str) -> None:
    """What a server of ours sends, another one can relay."""
    end = played(name)
    if end.error is None:
        assert to_json(fold(map(decode_event, end.encoded))) == to_json(end.response)


@pytest.mark.parametrize("name", WHOLE)
def test_a_body_contains_what_the_stream_contains(name: str) -> None:
    body = play_script(name, stream=False)
    assert to_json(body.response) == to_json(played(name).response)


@pytest.mark.slow
@shows("whole-replies")
@pytest.mark.parametrize("sends_stream", [True, False])
@pytest.mark.parametrize("name", [*(name for name in SCRIPTED if name not in HANGING), *CAPTURED])
def test_a_body_is_the_same_whether_or_not_its_events_are_read(name: str, sends_stream: bool) -> None:
    """The client asks for no stream; the upstream may send one all the same."""

    def answered(*, reads_events: bool) -> Played:
        sent = transport_of(SCRIPTS[name], stream=sends_stream) if name in SCRIPTS else Scripted(captures()[name])
        request = request_of(name, stream=False)
        return asyncio.run(play(request, sent, _options(name), reads_events=reads_events))

    read, finished = answered(reads_events=True), answered(reads_events=False)
    assert encode(finished.response) == encode(read.response)
    assert str(finished.error) == str(read.error)


@pytest.mark.parametrize("name", [name for name in CAPTURED if name.endswith(".sse") and "interrupted" not in name])
def test_a_real_servers_body_contains_what_its_stream_contains(name: str) -> None:
    stream, body = (outline(played(f"{name.removesuffix('.sse')}.{kind}")) for kind in ("sse", "json"))
    assert stream == body


def outline(end: Played) -> Any:
    """The output without ids, and how it ended; the calls' arguments, which this server writes in its own way, read."""
    response = to_json(end.response)
    return response["status"], [
        {key: value for key, value in item.items() if key not in {"id", "call_id"}} for item in response["output"]
    ]


# Any pieces.

DIALECT = ChatCompletions(Options(), LIMITS)


def sent_in_pieces(name: str, pieces: list[Any]) -> list[bytes]:
    """The events of a stream in these pieces."""
    return asyncio.run(play(request_of(name), Scripted(ScriptedReply(*pieces)), _options(name))).encoded


def _options(name: str) -> Options:
    return Options(inline_think=name in SCRIPTS and SCRIPTS[name].inline_think)


def sent(name: str) -> bytes:
    return bytes_of(SCRIPTS[name]) if name in SCRIPTS else bytes(captures()[name].pieces[0] or b"")


STREAMS = [name for name in WHOLE if name != "flaky"] + [name for name in CAPTURED if name.endswith(".sse")]


@pytest.mark.parametrize("name", STREAMS)
def test_byte_by_byte_it_is_the_same_story(name: str) -> None:
    whole = sent(name)
    assert sent_in_pieces(name, [whole[at : at + 1] for at in range(len(whole))]) == played(name).encoded


@shows("quirk-framing")
@pytest.mark.slow
@settings(max_examples=300)
@given(st.sampled_from(STREAMS), CUTS)
def test_in_any_pieces_it_is_the_same_story(name: str, cuts: list[int]) -> None:
    assert sent_in_pieces(name, list(split(sent(name), cuts))) == played(name).encoded


# Any end.


def end_of(name: str, pieces: list[Any]) -> Json:
    """The Response at the end of a stream that was cut, after the judge has seen it all."""
    response: Json = oracle.check_stream([json.loads(event) for event in sent_in_pieces(name, pieces)])
    return response


@pytest.mark.slow
@settings(max_examples=150)
@given(st.sampled_from(STREAMS), st.integers(0), st.booleans())
def test_a_stream_that_is_cut_anywhere_has_one_end(name: str, at: int, broken: bool) -> None:
    """Either the connection breaks, or it ends as if all had been sent."""
    whole = sent(name)
    pieces: list[Any] = [whole[: at % (len(whole) + 1)]]
    assert end_of(name, [*pieces, TransportError("cut")] if broken else pieces)["status"] in ENDS


@pytest.mark.slow
@shows("one-end")
@pytest.mark.parametrize("name", ["text", "crlf", "whole_call", "reasoning_then_call"])
def test_a_stream_that_is_cut_after_any_byte_has_one_end(name: str) -> None:
    """What was sent is the beginning of what is sent of the whole: nothing is taken back."""
    whole, written = sent(name), [json.loads(event) for event in played(name).encoded]
    for at in range(len(whole) + 1):
        events = [json.loads(event) for event in sent_in_pieces(name, [whole[:at], TransportError("cut")])]
        deltas = [event for event in events if event["type"].endswith(".delta")]
        assert events[-1]["response"]["status"] in ENDS
        assert all(event in written for event in deltas)
        assert [event["type"] for event in events].count("response.failed") <= 1
