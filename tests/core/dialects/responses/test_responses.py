"""The Responses dialect: what is passed on, what is read however it is cut, and whose the fields are."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import LIMITS, Json, plan, to_json
from penstock.dialects.responses import ResponsesDialect
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Turn
from penstock.returned import KEY
from penstock.transcript.deltas import (
    Delta,
    Extras,
    Finish,
    Relayed,
    RelayedItem,
    ResponseFields,
    UpstreamFailed,
    UsageDelta,
)
from requirements import shows

DIALECT = ResponsesDialect(None, LIMITS)
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
        "include": ["reasoning.encrypted_content"],
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
    assert isinstance(facts, ResponseFields)
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
    assert isinstance(fault, UpstreamFailed)
    assert (fault.error.code, fault.error.message) == ("invalid_image", "Blurred.")


@pytest.mark.parametrize(
    ("body", "result"),
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
def test_what_is_no_answer_is_the_upstreams_fault(body: bytes, result: str) -> None:
    with pytest.raises(ApiError, match=result) as fault:
        read(body)
    assert fault.value.status == 502


def test_half_a_character_is_replaced() -> None:
    [new, *_] = read(b'data: {"type":"response.of.tomorrow","glow":"\\ud83d \xff"}\n\n' + stream(ended()))
    assert isinstance(new, Relayed)
    assert to_json(new.event)["glow"] == "\ufffd \ufffd"


def test_after_the_end_nothing_is_read() -> None:
    decoder = DIALECT.decoder(TURN)
    decoder.feed(stream(ended()) + stream(NEW) + b"data: [DONE]\n\n")
    assert decoder.is_done
    assert decoder.has_finished


THOUGHT: Json = {"type": "reasoning", "id": "rs_1", "summary": []}
SEALED: Json = THOUGHT | {"encrypted_content": "sealed"}
THINKS = stream(
    {"type": "response.output_item.added", "output_index": 0, "item": SEALED},
    {"type": "response.output_item.done", "output_index": 0, "item": SEALED},
    ended(),
)


def relayed(deltas: list[Delta]) -> list[Json]:
    """The items that are relayed, in the events about them or whole."""
    events = [to_json(one.event)["item"] for one in deltas if isinstance(one, Relayed)]
    return events + [to_json(one.item) for one in deltas if isinstance(one, RelayedItem)]


@shows("sealed-behind")
def test_sealed_thoughts_are_taken_out_for_a_client_that_did_not_ask_for_them() -> None:
    dialect = ResponsesDialect(None, LIMITS, "there")
    for body in (THINKS, json.dumps({"status": "completed", "output": [SEALED]}).encode()):
        decoder = dialect.decoder(TURN)
        deltas = decoder.feed(body) + decoder.close()
        assert relayed(deltas) in ([THOUGHT], [THOUGHT, THOUGHT])
        [extras] = [one for one in deltas if isinstance(one, Extras)]
        assert extras == Extras(origin="there", items={"rs_1": {"encrypted_content": msgspec.Raw(b'"sealed"')}})
        decoder = dialect.decoder(plan(include=["reasoning.encrypted_content"]).turn)
        deltas = decoder.feed(body) + decoder.close()
        assert relayed(deltas) in ([SEALED], [SEALED, SEALED])
        assert not any(isinstance(one, Extras) for one in deltas)


@shows("sealed-behind")
@pytest.mark.parametrize("origin", ["there", "elsewhere"])
def test_sealed_thoughts_go_back_to_whom_they_came_from(origin: str) -> None:
    """No other client gets a reasoning item with nothing in it."""
    carrying = THOUGHT | {KEY: {"origin": "there", "item": {"encrypted_content": "sealed"}}}
    turn = plan(input=[carrying, THOUGHT, {"role": "user", "content": "Hi"}]).turn
    sent = json.loads(ResponsesDialect(None, LIMITS, origin).encode(turn).body)["input"]
    assert [item["type"] for item in sent] == ["reasoning", "message"][origin != "there" :]
    assert origin != "there" or sent[0] == {"type": "reasoning", "summary": [], "encrypted_content": "sealed"}


@pytest.mark.parametrize(
    ("result", "again"),
    [
        (ApiError("Encrypted content is not supported with this model.", param="include"), True),
        (ApiError("Input should be 'message.output_text.logprobs'", param="include"), True),
        (ApiError("1 validation error: include.0", status=422), True),
        (ApiError("No such tool.", param="tools"), False),
        (ApiError("include", status=404), False),
    ],
)
@shows("sealed-behind")
def test_a_model_that_does_not_think_is_asked_without_sealed_thoughts(result: ApiError, again: bool) -> None:
    dialect = ResponsesDialect(None, LIMITS)
    assert "include" in json.loads(dialect.encode(TURN).body)
    repeated = dialect.encode_again(TURN, result)
    assert (repeated is not None) == again
    for body in [repeated and repeated.body, dialect.encode(TURN).body]:
        assert body is None or ("include" in json.loads(body)) != again
    assert dialect.encode_again(TURN, result) is None or not again


def test_a_client_is_reported_of_what_it_asked_for_itself() -> None:
    turn = plan(include=["reasoning.encrypted_content"]).turn
    assert ResponsesDialect(None, LIMITS).encode_again(turn, ApiError("Encrypted content", param="include")) is None


def test_what_models_refused_is_noted_for_so_many_of_them() -> None:
    dialect = ResponsesDialect(None, Limits(noted_models_max=2))
    for name in ("a", "b", "c"):
        turn = plan(model=name).turn
        assert dialect.encode_again(turn, ApiError("Encrypted content", param="include"))
        assert "include" not in json.loads(dialect.encode(turn).body)
    assert "include" in json.loads(dialect.encode(plan(model="a").turn).body)
