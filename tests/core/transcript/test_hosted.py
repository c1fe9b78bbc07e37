"""Items that a server makes by itself: their events fold to what they contain, in whatever detail they are sent."""

from itertools import combinations
from typing import get_args

import pytest
from msgspec.structs import replace

from core.kit import Json, from_json, to_json
from penstock import wire
from penstock.transcript import IllegalEvent, Transcript, fold
from penstock.transcript.closing import close_open
from penstock.transcript.lifecycle import MACHINES
from requirements import shows
from support import samples
from support.hosted import AUDIO, ITEMS
from support.oracle import check_event, check_stream

each_item = pytest.mark.parametrize("events", ITEMS.values(), ids=ITEMS)


def structs(stream: list[Json]) -> list[wire.Event]:
    return [from_json(event, wire.StreamEvent) for event in stream]


def played(events: list[Json]) -> Transcript:
    transcript = Transcript()
    for event in structs([*samples.stream()[:2], *events]):
        transcript.record(event)
    return transcript


def test_every_item_and_event_of_no_other_sample_is_here() -> None:
    """Those of the stream in `samples` have their own tests."""
    known_types = {event["type"] for events in ITEMS.values() for event in events} | {event["type"] for event in AUDIO}
    known_types |= {event["type"] for event in samples.stream()}
    elsewhere = {"response.queued", "response.incomplete", "response.failed", "response.usage", "error"}
    elsewhere |= {"response.refusal.delta", "response.refusal.done", wire.UNKNOWN}
    assert known_types | elsewhere >= {str(event.__struct_config__.tag) for event in get_args(wire.StreamEvent)}
    items = {events[0]["item"]["type"] for events in [*ITEMS.values(), *samples.ITEMS]}
    assert items | {wire.UNKNOWN} >= {str(item.__struct_config__.tag) for item in get_args(wire.OutputItem)}


@each_item
def test_the_events_are_the_packages_and_fold_to_their_item(events: list[Json]) -> None:
    stream = samples.stream([events])
    assert check_stream(stream)["output"] == [events[-1]["item"]]
    assert to_json(fold(structs(stream)))["output"] == [to_json(from_json(events[-1]["item"], wire.OutputItem))]


@each_item
def test_nothing_is_lost_on_the_way(events: list[Json]) -> None:
    for event in samples.numbered(events):
        written = check_event(to_json(from_json(event, wire.StreamEvent)))
        item, known = written.pop("item", {}), event.pop("item", {})
        assert item.items() >= known.items()
        assert written.items() >= event.items()


STATUSES: dict[str, list[str]] = {
    "web search": ["in_progress", "in_progress", "searching", "completed", "completed"],
    "file search": ["in_progress", "in_progress", "searching", "completed", "completed"],
    "code interpreter": [*["in_progress"] * 5, "interpreting", "completed", "completed"],
    "image generation": ["in_progress", "in_progress", *["generating"] * 3, "completed", "completed"],
    "MCP call": [*["in_progress"] * 5, "completed", "completed"],
    "MCP call that fails": [*["in_progress"] * 4, "failed", "failed"],
}


@pytest.mark.parametrize(("name", "statuses"), STATUSES.items(), ids=STATUSES)
def test_the_status_is_that_of_the_last_step(name: str, statuses: list[str]) -> None:
    events = ITEMS[name]
    seen = [played(events[: index + 1]).snapshot().output[0].status for index in range(len(events))]  # type: ignore[union-attr]
    assert seen == statuses


def test_code_grows_from_nothing_and_a_partial_image_leaves_none() -> None:
    code = ITEMS["code interpreter"]
    grown = [played(code[: index + 1]).item(0).code for index in range(5)]
    assert grown == [None, None, "2 +", "2 + 2", "2 + 2"]
    assert played(ITEMS["image generation"][:-1]).item(0).result is None


@each_item
def test_any_step_may_be_left_out_and_none_may_come_after_the_last(events: list[Json]) -> None:
    first, *between, last = events
    for size in range(len(between) + 1):
        for chosen in combinations(between, size):
            assert played([first, *chosen, last]).item_state(0) == "done"
    for event in between:
        transcript = played([*events[:-1], last])
        with pytest.raises(IllegalEvent, match=event["type"]):
            transcript.record(from_json(event, wire.StreamEvent))


@each_item
def test_a_step_of_another_family_is_illegal(events: list[Json]) -> None:
    family = {event["type"] for name, other in ITEMS.items() for event in other
              if ITEMS[name][0]["item"]["type"] == events[0]["item"]["type"]}  # fmt: skip
    alien = [event for other in ITEMS.values() for event in other[1:-1] if event["type"] not in family]
    assert alien
    for event in alien:
        with pytest.raises(IllegalEvent, match=event["type"]):
            played(events[:1]).record(from_json(event | {"item_id": events[0]["item"]["id"]}, wire.StreamEvent))


@each_item
def test_what_is_cut_short_ends_in_order(events: list[Json]) -> None:
    """After each of its events; the judge finds nothing wrong with the stream."""
    for index in range(1, len(events)):
        transcript = played(events[:index])
        close_open(transcript)
        item = transcript.item(0)
        ended = {"image_generation_call": "failed", "apply_patch_call_output": "failed"}.get(item.type, "incomplete")
        assert getattr(item, "status", ended) == ended
        error = wire.ResponseError(code="server_error", message="x")
        transcript.record(wire.Failed(response=replace(transcript.snapshot(), status="failed", error=error)))
        assert check_stream([to_json(event) for event in transcript.take()])["status"] == "failed"


def test_speech_belongs_to_no_item() -> None:
    stream = samples.stream()
    events = samples.numbered([*stream[:2], *AUDIO, *stream[2:]])
    assert check_stream(events) == stream[-1]["response"]
    assert to_json(fold(structs(events))) == to_json(fold(structs(stream)))


MISTAKES: dict[str, Json] = {
    "the id of no item": {"item_id": "ws_2"},
    "the index of no item": {"output_index": 1},
    "an index that counts from the end": {"output_index": -1},
}


@shows("identity")
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_an_event_names_the_item_at_its_index(mistake: Json) -> None:
    first, step, *_ = ITEMS["web search"]
    with pytest.raises(IllegalEvent, match="never added"):
        played([first]).record(from_json(step | mistake, wire.StreamEvent))


def test_an_event_of_one_item_at_the_index_of_another_is_illegal() -> None:
    one, other = ITEMS["web search"], ITEMS["file search"]
    transcript = played(one[:1])
    transcript.record(from_json(other[0] | {"output_index": 1}, wire.StreamEvent))
    for step, index in ((one[1], 1), (other[1], 0)):
        with pytest.raises(IllegalEvent, match=step["type"]):
            transcript.record(from_json(step | {"output_index": index}, wire.StreamEvent))


def test_an_item_ends_under_the_id_under_which_it_began() -> None:
    first, *_, last = ITEMS["web search"]
    renamed = last | {"item": last["item"] | {"id": "ws_2"}}
    with pytest.raises(IllegalEvent, match="not the item's"):
        played([first]).record(from_json(renamed, wire.StreamEvent))


def test_no_two_items_have_one_id() -> None:
    with pytest.raises(IllegalEvent, match="id of another"):
        played(ITEMS["web search"]).record(from_json(ITEMS["web search"][0] | {"output_index": 1}, wire.StreamEvent))


def test_every_item_that_may_be_opened_may_be_closed_at_once_or_has_a_text_to_settle() -> None:
    """So that a stream with no more of an item than its beginning and its end is legal."""
    strict = {cls.__name__ for cls in get_args(wire.OutputItem) if wire.OutputItemDone not in MACHINES[cls]["open"]}
    assert strict == {"FunctionCall", "CustomToolCall"}
