"""Calls whose arguments are an action: sent whole or not at all, wherever the pieces fall and wherever it ends."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import CUTS, LIMITS, Json, Recording, from_json, to_json
from penstock import wire
from penstock.errors import upstream_failed
from penstock.tool_calls import OFFERS, CallFormat
from penstock.transcript import fold
from penstock.transcript.deltas import Delta, Finish, Relayed, TextDelta, ToolCallDelta
from requirements import shows
from support import oracle, samples

TOOLS: list[Json] = [
    {"type": "local_shell"},
    {"type": "shell"},
    {"type": "apply_patch"},
    {"type": "computer"},
    {"type": "computer_use_preview", "display_width": 800, "display_height": 600, "environment": "browser"},
    {"type": "function", "name": "look"},
]
WHOLE: dict[str, str] = {
    "local_shell": '{"command": ["ls", "-l"], "timeout_ms": 1000}',
    "shell": '{"commands": ["ls -l", "", "pwd"], "max_output_length": 5}',
    "apply_patch": '{"type": "update_file", "path": "a.py", "diff": "@@\\n-a\\n+b"}',
    "computer": '{"actions": [{"type": "click", "button": "left", "x": 1, "y": 2}, {"type": "wait"}]}',
    "computer_use_preview": '{"action": {"type": "scroll", "x": 1, "y": 2, "scroll_x": 0, "scroll_y": -9}}',
}
"""A call of every tool whose calls are actions."""
FOREIGN = ["", "ls", "[]", '"ls"', "12", '{"command": 5}', '{"comm', '{"commands": []}', '{"actions": [], "path": ""}']
"""Arguments that none of them takes."""


def forms() -> dict[str, CallFormat]:
    tools: list[Any] = [from_json(tool, wire.Tool) for tool in TOOLS]
    return {offer.name: form for tool in tools for offer, form in OFFERS[type(tool)](tool) or ()}


FORMS = forms()
CALLS = st.sampled_from([*WHOLE]).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from([WHOLE[name], *FOREIGN]))
)


def pieces(index: int, name: str, arguments: str, cuts: list[int]) -> list[Delta]:
    """A call in pieces; the first names it."""
    ends = sorted({at % (len(arguments) + 1) for at in cuts})
    texts = [arguments[start:end] for start, end in zip([0, *ends], [*ends, len(arguments)], strict=True)]
    first = ToolCallDelta(index=index, name=name, call_id=f"call_{index}")
    return [first, *(ToolCallDelta(index=index, arguments=text) for text in texts)]


def respond(*deltas: Delta, **options: Any) -> Json:
    """The Response of deltas that came to their end."""
    recording = Recording(FORMS, **options)
    recording.record(deltas)
    return check(recording)


def check(recording: Recording) -> Json:
    response: Json = oracle.check_stream(recording.events)
    assert to_json(recording.transcript.snapshot()) == response
    assert to_json(fold(from_json(event, wire.StreamEvent) for event in recording.events)) == response
    return response


def kinds(response: Json) -> list[tuple[str, str]]:
    return [(item["type"], item["status"]) for item in response["output"]]


def is_action(name: str, arguments: str) -> bool:
    return arguments == WHOLE[name]


@shows("client-tools")
@given(st.lists(CALLS, max_size=3), st.lists(CUTS, min_size=3, max_size=3))
def test_any_pieces_give_the_same(calls: list[tuple[str, str]], cuts: list[list[int]]) -> None:
    whole = respond(*(delta for at, call in enumerate(calls) for delta in pieces(at, *call, [])), Finish())
    cut = respond(*(delta for at, call in enumerate(calls) for delta in pieces(at, *call, cuts[at])), Finish())
    assert cut == whole
    actions = {item["call_id"]: item["type"] != "function_call" for item in whole["output"]}
    assert actions == {f"call_{at}": is_action(*call) for at, call in enumerate(calls)}


@shows("client-tools")
@given(st.lists(CALLS, min_size=1, max_size=3), CUTS, st.integers(0), st.sampled_from(["failed", "incomplete"]))
def test_a_cut_ends_the_stream_and_leaves_whole_actions(
    calls: list[tuple[str, str]], cuts: list[int], at: int, how: str
) -> None:
    """Of what was cut nothing is sent: a client must not run half of an action."""
    speech = [delta for index, call in enumerate(calls) for delta in pieces(index, *call, cuts)]
    speech = speech[: at % (len(speech) + 1)]
    recording = Recording(FORMS)
    recording.receive(speech)
    if how == "failed":
        recording.fail(upstream_failed("cut"))
    else:
        recording.record([Finish("max_output_tokens")])
    response = check(recording)
    assert response["status"] == how
    assert {status for _, status in kinds(response)} <= {"completed"}


@shows("wrong-actions")
@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("arguments", FOREIGN)
def test_arguments_that_are_no_action_come_back_as_they_were(name: str, arguments: str) -> None:
    [item] = respond(*pieces(0, name, arguments, []), Finish())["output"]
    assert item | {"id": ""} == {
        "id": "",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_0",
        "name": name,
        "arguments": arguments or "{}",
    }


def test_an_action_ends_when_the_next_call_begins() -> None:
    """So that a client may run it meanwhile."""
    recording = Recording(FORMS)
    recording.receive([*pieces(0, "local_shell", WHOLE["local_shell"], []), *pieces(1, "look", "{", [])])
    done = [event["type"] for event in recording.events if "item" in event]
    assert done == ["response.output_item.added", "response.output_item.done", "response.output_item.added"]


def test_an_action_stands_where_it_was_whole() -> None:
    speech = pieces(0, "local_shell", WHOLE["local_shell"], [20])
    response = respond(*speech[:2], TextDelta("so"), *speech[2:], Finish())
    assert kinds(response) == [("message", "completed"), ("local_shell_call", "completed")]


def test_actions_count_as_items_before_they_are_reported() -> None:
    limits = msgspec.structs.replace(LIMITS, output_items_max=3)
    calls = [delta for index in range(4) for delta in pieces(index, "local_shell", "{", [])]
    recording = Recording(FORMS, limits)
    recording.record(calls)
    assert "3 output items" in check(recording)["error"]["message"]


def test_a_relayed_stream_with_actions_is_reported_as_it_came() -> None:
    """From an upstream that sends commands and their outputs piece by piece."""
    events = [from_json(event, wire.StreamEvent) for event in samples.stream()[2:-1]]
    response = respond(*(Relayed(event) for event in events), Finish())
    assert response["output"] == [to_json(from_json(item, wire.OutputItem)) for item in samples.OUTPUT]


def test_relayed_outputs_of_commands_count() -> None:
    added, piece, *_ = samples.ITEMS[6]
    many = piece | {"delta": {"stdout": "x" * 900, "stderr": None}}
    events = [added | {"output_index": 0}, many | {"output_index": 0}, many | {"output_index": 0}]
    recording = Recording(FORMS, msgspec.structs.replace(LIMITS, output_bytes_max=1_000))
    recording.record([Relayed(from_json(samples.numbered([event])[0], wire.StreamEvent)) for event in events])
    assert "1000 characters" in check(recording)["error"]["message"]
