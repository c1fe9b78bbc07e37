"""What a newer upstream sends has its position in the stream, and is folded as far as possible."""

from __future__ import annotations

from typing import Any

import pytest

from core.kit import Json, encode, skeleton, to_json
from penstock import wire
from penstock.json_codec import Decoder
from penstock.transcript import IllegalEvent, Transcript, fold
from penstock.transcript.closing import close_open

MESSAGE: Json = {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}
THOUGHT: Json = {"type": "reasoning", "id": "rs_1", "status": "in_progress", "summary": []}
DANCE: Json = {"type": "dance", "id": "da_1", "status": "waltzing", "steps": 0}
STEP: Json = {"type": "step", "foot": "left"}
DONE: Json = {"status": "completed"}


def _about(index: int, item: Json, done: Json, *between: Json) -> list[Json]:
    at = {"output_index": index}
    return [
        {"type": "response.output_item.added", **at, "item": item},
        *({"item_id": item["id"], **at, **event} for event in between),
        {"type": "response.output_item.done", **at, "item": done},
    ]


EVENTS: list[Json] = [
    {"type": "response.music.started", "tempo": 120},
    *_about(0, DANCE, DANCE | DONE | {"steps": 2}, {"type": "response.dance.step", "step": STEP}),
    *_about(
        1,
        MESSAGE,
        MESSAGE | DONE | {"content": [STEP]},
        {"type": "response.content_part.added", "content_index": 0, "part": STEP | {"foot": None}},
        {"type": "response.content_part.done", "content_index": 0, "part": STEP},
    ),
    *_about(
        2,
        THOUGHT,
        THOUGHT | DONE | {"summary": [STEP]},
        {"type": "response.reasoning_summary_part.added", "summary_index": 0, "part": STEP | {"foot": None}},
        {"type": "response.reasoning_summary_part.done", "summary_index": 0, "part": STEP},
    ),
]


def stream() -> list[wire.Event]:
    decoder = Decoder[wire.Event](wire.StreamEvent)
    begun = [wire.Created(response=skeleton()), wire.InProgress(response=skeleton())]
    return begun + [decoder.decode(encode(event)) for event in EVENTS]


def test_it_is_folded_as_it_was_reported() -> None:
    response = to_json(fold(stream()))
    assert response["output"] == [
        DANCE | DONE | {"steps": 2},
        MESSAGE | DONE | {"content": [STEP]},
        THOUGHT | DONE | {"summary": [STEP]},
    ]


def test_every_event_keeps_its_words_and_gets_a_number() -> None:
    transcript = Transcript()
    for event in stream():
        transcript.record(event)
    taken = [to_json(event) for event in transcript.take()]
    assert [event["sequence_number"] for event in taken] == list(range(len(taken)))
    assert all(sent.items() <= event.items() for sent, event in zip(EVENTS, taken[2:], strict=True))


@pytest.mark.parametrize("count", range(2, len(EVENTS) + 3))
def test_what_is_left_open_can_be_ended(count: int) -> None:
    transcript = Transcript()
    for event in stream()[:count]:
        transcript.record(event)
    ended = sum(event["type"] == "response.output_item.done" for event in EVENTS[: count - 2])
    close_open(transcript)
    transcript.record(wire.Completed(response=transcript.snapshot()))
    statuses: list[Any] = [item["status"] for item in to_json(transcript.snapshot())["output"]]
    assert statuses == ["completed"] * ended + ["incomplete"] * (len(statuses) - ended)


def test_it_comes_while_the_response_is_in_progress_only() -> None:
    event = stream()[2]
    transcript = Transcript()
    with pytest.raises(IllegalEvent):
        transcript.record(event)
    transcript.record(wire.Created(response=skeleton()))
    with pytest.raises(IllegalEvent):
        transcript.record(event)
    transcript.record(wire.InProgress(response=skeleton()))
    transcript.record(event)
    transcript.record(wire.Completed(response=skeleton()))
    with pytest.raises(IllegalEvent):
        transcript.record(event)
