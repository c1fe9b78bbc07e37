"""The Responses dialect: what is passed on, what is read however it is cut, and whose the fields are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import LIMITS, Json, plan, to_json
from penstock.dialects.responses import Responses
from penstock.errors import ApiError
from penstock.ports import Turn
from penstock.transcript.deltas import Delta, Facts, Fault, Finish, Relayed, UsageDelta

DIALECT = Responses(None, LIMITS)
TURN = plan(stream=True).turn
USAGE: Json = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
ITEM: Json = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
NEW: Json = {"type": "response.of.tomorrow", "glow": 1.50, "item_id": "ü"}


def ended(kind: str = "completed", **fields: Any) -> Json:
    response = {"id": "resp_theirs", "status": kind, "usage": USAGE, "output": []} | fields
    return {"type": f"response.{kind}", "response": response}


def stream(*events: Json) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def read(*chunks: bytes) -> list[Delta]:
    decoder = DIALECT.decoder(TURN)
    return [delta for chunk in chunks for delta in decoder.feed(chunk)] + decoder.close()


def asked(turn: Turn) -> Json:
    body: Json = json.loads(DIALECT.encode(turn).body)
    return body


def test_what_the_client_asked_is_passed_on_and_the_state_is_not() -> None:
    tool = {"type": "web_search", "search_context_size": "low", "new": {"a": 1}}
    body = asked(plan(model="any", tools=[tool], temperature=0.5, metadata={"a": "b"}, store=True, stream=True).turn)
    assert body == {
        "model": "any",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "tools": [tool],
        "temperature": 0.5,
        "metadata": {"a": "b"},
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "store": False,
    }


def test_ids_of_our_store_are_not_passed_on() -> None:
    items = [
        {"type": "message", "id": "msg_1", "role": "user", "content": "Hi"},
        {"type": "hologram", "id": "holo_1", "shape": "cube"},
    ]
    sent = asked(plan(input=items).turn)["input"]
    assert sent[0] == {"type": "message", "role": "user", "content": "Hi"}
    assert sent[1]["shape"] == "cube"


STORY = stream(
    {"type": "response.created", "response": {"id": "resp_theirs", "status": "in_progress"}},
    {"type": "response.output_item.added", "output_index": 0, "item": ITEM},
    NEW,
    ended(service_tier="flex", temperature="hot", future=[1, 2]),
)


@given(st.lists(st.integers(0, len(STORY)), max_size=6))
def test_any_split_is_read_alike(cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(STORY)]
    pieces = [STORY[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    added, new, facts, usage, finish = read(*pieces)
    assert isinstance(added, Relayed)
    assert isinstance(new, Relayed)
    assert to_json(added.event) == {"type": "response.output_item.added", "output_index": 0, "item": ITEM} | {
        "sequence_number": -1
    }
    assert new.event.type == NEW["type"]
    assert isinstance(facts, Facts)
    assert facts.fields["service_tier"] == "flex"
    assert set(facts.fields["unknown"].fields) == {"future"}
    assert "temperature" not in facts.fields  # it is not as it should be
    assert isinstance(usage, UsageDelta)
    assert finish == Finish()


def test_how_it_ended() -> None:
    cut = ended("incomplete", incomplete_details={"reason": "content_filter"})
    assert read(stream(cut))[-1] == Finish("content_filter")
    odd = ended("incomplete", incomplete_details={"reason": "boredom"})
    assert read(stream(odd))[-1] == Finish("max_output_tokens")
    strange = ended("incomplete", incomplete_details={"reason": ["none", "at all"]})
    assert read(stream(strange))[-1] == Finish("max_output_tokens")
    [*_, fault] = read(stream(ended("failed", error={"code": "invalid_image", "message": "Blurred."})))
    assert isinstance(fault, Fault)
    assert (fault.error.code, fault.error.message) == ("invalid_image", "Blurred.")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "ended before its response did"),
        (stream(NEW), "ended before its response did"),
        (b"data: {}\n\n", "no event of a response"),
        (b"data: [1]\n\n", "no event of a response"),
        (b'{"id": 1}', "no response"),
        (stream(ended("queued")).replace(b"response.queued", b"response.completed"), "'queued'"),
        (stream({"type": "error", "message": "It broke."}), "It broke."),
        (stream({"type": "error", "error": {"message": "It broke.", "code": "x"}}), "It broke."),
    ],
    ids=["nothing", "no end", "no type", "no object", "no response", "no status of an end", "an error", "a nested one"],
)
def test_what_is_no_answer_is_the_upstreams_fault(said: bytes, told: str) -> None:
    with pytest.raises(ApiError, match=told) as fault:
        read(said)
    assert fault.value.status == 502


def test_half_a_character_is_mended() -> None:
    [new, *_] = read(b'data: {"type":"response.of.tomorrow","glow":"\\ud83d \xff"}\n\n' + stream(ended()))
    assert isinstance(new, Relayed)
    assert to_json(new.event)["glow"] == "\ufffd \ufffd"


def test_after_the_end_nothing_is_read() -> None:
    decoder = DIALECT.decoder(TURN)
    decoder.feed(stream(ended()) + stream(NEW) + b"data: [DONE]\n\n")
    assert decoder.is_done
    assert decoder.has_finished
