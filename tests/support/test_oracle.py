"""The oracle can refuse: whatever is broken in a good stream, it notices."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, get_args

import pytest
from openai.types import Model, responses
from openai.types.responses.input_token_count_response import InputTokenCountResponse
from pydantic import BaseModel

from requirements import shows
from support import oracle, samples
from support.grammar import TERMINAL, fold
from support.oracle import (
    OURS,
    PROMISED,
    SHAPES,
    WORDS,
    OracleError,
    check,
    check_error,
    check_response,
    check_stream,
)
from support.samples import numbered, stream
from support.shapes import bare, keys, members

Json = dict[str, Any]
Path = tuple[str | int, ...]

# Where anything goes, so that no damage can be seen: free-form JSON of the client.
FREE = ("metadata", "parameters")
# What may come in either order: items and parts may overlap, an annotation may come before its text.
FREE_ORDER = {
    ("response.output_item.done", "response.output_item.added"),
    ("response.content_part.done", "response.reasoning_summary_part.added"),
    ("response.output_text.delta", "response.output_text.annotation.added"),
}


def reachable(kind: Any, seen: set[Any]) -> set[Any]:
    kind = bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
        seen.add(kind)
        for field in keys(kind).values():
            reachable(field.annotation, seen)
    for argument in getattr(kind, "__args__", ()):
        reachable(argument, seen)
    return seen


MODELS = reachable(responses.ResponseStreamEvent, reachable(responses.ResponseItem, set())) | {
    oracle.UsageEvent,
    InputTokenCountResponse,
    Model,
}


def test_a_good_stream_passes_and_folds_to_its_last_response() -> None:
    events = stream()
    assert check_stream(events) == fold(events) == events[-1]["response"]


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_other_ends_pass(status: str) -> None:
    ends: dict[str, Json] = {
        "incomplete": {"incomplete_details": {"reason": "max_output_tokens"}},
        "failed": {"error": {"code": "server_error", "message": "gone"}},
    }
    events = stream()
    last = events[-1]["response"] | {"status": status, "completed_at": None} | ends[status]
    events[-1] |= {"type": f"response.{status}", "response": last}
    assert check_stream(events)["status"] == status


@pytest.mark.parametrize("position", range(len(stream())))
def test_a_missing_event_is_noticed(position: int) -> None:
    events = stream()
    del events[position]
    with pytest.raises(AssertionError):
        check_stream(events)
    with pytest.raises(AssertionError):
        check_stream(numbered(events))


@pytest.mark.parametrize("position", range(len(stream())))
def test_a_doubled_event_is_noticed(position: int) -> None:
    events = stream()
    events.insert(position, deepcopy(events[position]))
    with pytest.raises(AssertionError):
        check_stream(numbered(events))


@pytest.mark.parametrize("position", range(len(stream()) - 1))
def test_two_events_in_the_wrong_order_are_noticed(position: int) -> None:
    events = stream()
    first, second = events[position], events[position + 1]
    events[position : position + 2] = [second, first]
    with pytest.raises(AssertionError):
        check_stream(events)
    if (first["type"], second["type"]) in FREE_ORDER:
        check_stream(numbered(events))
    else:
        with pytest.raises(AssertionError):
            check_stream(numbered(events))


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value where something stands."""
    if path:
        yield path
    if path and path[-1] in FREE:
        return
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(entry, (*path, key))


def holder(event: Json, path: Path) -> Any:
    for key in path[:-1]:
        event = event[key]  # type: ignore[index]
    return event


PATHS = [(at, path) for at, event in enumerate(stream()) for path in leaves(event)]


def is_free(at: int, path: Path) -> bool:
    """Whether anything goes there: in what the client writes freely, or a model in the arguments of a search."""
    owners = [holder(stream()[at], path[: depth + 1]) for depth in range(len(path))]
    return any(
        key in FREE or (key == "arguments" and owner.get("type") == "tool_search_call")
        for owner, key in zip(owners, path, strict=True)
    )


def test_a_value_of_another_type_is_noticed_at_any_depth() -> None:
    unnoticed = []
    for at, path in PATHS:
        event = stream()[at]
        holder(event, path)[path[-1]] = {"strange": [True]} if path[-1] != "metadata" else 5
        if not complains(event):
            unnoticed.append((at, path))
    assert [(at, path) for at, path in unnoticed if not is_free(at, path)] == []


def test_an_unknown_key_is_noticed_at_any_depth() -> None:
    unnoticed = []
    for at, path in [(at, ()) for at in range(len(stream()))] + PATHS:
        event = stream()[at]
        target = holder(event, (*path, "strange"))
        if isinstance(target, dict) and not is_free(at, path):
            target["strange"] = 1
            if not complains(event):
                unnoticed.append((at, path))
    assert unnoticed == []


def complains(event: Json) -> bool:
    try:
        oracle.check_event(event)
    except OracleError:
        return True
    return False


def test_every_promised_key_is_missed() -> None:
    for key in PROMISED["Response"]:
        body = {name: value for name, value in samples.RESPONSE.items() if name != key}
        with pytest.raises(OracleError, match=key):
            check_response(body)


SENSE = {
    "delta", "text", "arguments", "input", "item_id", "id", "output_index", "content_index", "summary_index",
    "annotation_index", "call_id", "name", "sequence_number", "model", "created_at",
}  # fmt: skip


@shows("identity")
def test_a_changed_text_id_or_index_is_noticed_in_every_event() -> None:
    """Not the shape but the sense: another text, id or index, in one place only."""
    unnoticed = []
    chosen = [(at, path) for at, path in PATHS if path[-1] in SENSE]
    for at, path in chosen:
        events = stream()
        owner = holder(events[at], path)
        if isinstance(owner[path[-1]], dict):
            continue
        owner[path[-1]] = owner[path[-1]] + (1 if isinstance(owner[path[-1]], int) else "x")
        try:
            check_stream(events)
        except AssertionError:
            continue
        unnoticed.append((at, events[at]["type"], path))
    assert len(chosen) > 100
    assert unnoticed == []


def test_an_event_after_the_end_is_noticed() -> None:
    events = stream()
    with pytest.raises(AssertionError, match="after the terminal"):
        check_stream(numbered([*events, {"type": "error", "message": "late", "code": None, "param": None}]))


@pytest.mark.parametrize("name", TERMINAL)
def test_two_ends_are_noticed(name: str) -> None:
    events = stream()
    with pytest.raises(AssertionError):
        check_stream(numbered([*events, events[-1] | {"type": name}]))


def test_an_empty_delta_is_noticed() -> None:
    events = stream()
    at = next(at for at, event in enumerate(events) if event["type"].endswith("arguments.delta"))
    with pytest.raises(AssertionError, match="empty delta"):
        check_stream(numbered([*events[:at], events[at] | {"delta": ""}, *events[at:]]))


def test_an_error_event_must_be_followed_by_failure() -> None:
    events = stream()
    error = {"type": "error", "message": "gone", "code": "server_error", "param": None}
    with pytest.raises(AssertionError, match="an error, and yet no failure"):
        check_stream(numbered([*events[:-1], error, events[-1]]))


@pytest.mark.parametrize(
    ("kind", "value"),
    [(int, True), (int, 1.0), (str, 1), (bool, 1), (float, "1"), (int | None, "x"),
     (list[int], [1, "2"]), (dict[str, int], {"a": "b"}),
     (responses.ResponseOutputText | None, {"type": "refusal", "refusal": "no"})],
)  # fmt: skip
def test_nothing_is_coerced(kind: Any, value: Any) -> None:
    with pytest.raises(OracleError):
        check(kind, value)


def test_the_grammar_knows_every_event_of_the_package() -> None:
    """A value that fits nothing makes the walk go everywhere; an unknown typing word raises TypeError."""
    for model in MODELS:
        value = {key: object() for key in keys(model)}
        assert list(SHAPES.problems(model, value)), model


def test_every_exception_is_still_one() -> None:
    """What the package has learnt by now must leave the table."""
    for name, key in OURS:
        known = [model for model in MODELS if model.__name__ == name]
        assert known, f"{name} is gone from the package"
        assert any(key not in keys(model) for model in known), f"{name}.{key} is in the package now"


def test_our_own_parameters_are_still_not_in_the_package() -> None:
    for name, key in WORDS:
        (model,) = [model for model in MODELS if model.__name__ == name]
        theirs = get_args(keys(model)[key].annotation)
        assert theirs
        assert not {*theirs} & {*WORDS[name, key][0]}


def test_every_promise_is_about_something() -> None:
    for name, promised in PROMISED.items():
        known = {key for model in MODELS if model.__name__ == name for key in keys(model)}
        ours = {key for model, key in OURS if model == name}
        assert set(promised) <= known | ours, name


@pytest.mark.parametrize(
    "body",
    [{}, {"error": {"message": "m", "type": "t", "param": None}}, {"error": None}, [],
     {"error": {"message": "", "type": "t", "param": None, "code": None}},
     {"error": {"message": "m", "type": "t", "param": 3, "code": None}},
     {"error": {"message": "m", "type": "t", "param": None, "code": None}, "detail": 1}],
)  # fmt: skip
def test_what_is_no_error_body(body: Any) -> None:
    with pytest.raises(OracleError):
        check_error(body)


def test_unions_are_distinguished_by_type() -> None:
    assert {model.__name__ for model in members(responses.ResponseStreamEvent)} >= {"ResponseCreatedEvent"}
    with pytest.raises(OracleError, match=r"output\[0\].content\[0\].text"):
        item = samples.OUTPUT[1] | {"content": [samples.OUTPUT[1]["content"][0] | {"text": 1}]}
        check_response(samples.RESPONSE | {"output": [item]})
