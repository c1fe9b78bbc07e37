"""A Response that an upstream sends whole: it becomes what its stream becomes, whatever is in it."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.kit import CUTS, LIMITS, Json, Recording, plan, split, to_json
from penstock.dialects.responses import ResponsesDialect
from penstock.errors import ApiError
from penstock.limits import Limits
from requirements import shows
from support import hosted, samples

DIALECT = ResponsesDialect(None, LIMITS, "there")
NEW_PART: Json = {"type": "hologram", "glow": 1.50}
NEW_ITEM: Json = {"type": "hologram_call", "id": "holo_1", "status": "completed", "shape": {"kind": "cube"}}
LOGS: Json = {"type": "message", "role": "assistant", "id": "msg_2", "status": "completed", "content": [NEW_PART]}
SEALED: Json = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "sealed", "status": "completed"}
ITEMS: list[list[Json]] = [
    *samples.ITEMS,
    *hosted.ITEMS.values(),
    *(hosted.at_once(item) for item in (NEW_ITEM, LOGS, SEALED)),
]
ENDS: list[Json] = [
    {"status": "completed"},
    {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
    {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Too fast."}},
]
FACTS: list[Json] = [
    {},
    {"service_tier": "flex"},
    {"service_tier": "of tomorrow", "usage": None},
    {"of_tomorrow": {"a": [1.50]}, "temperature": "hot"},
    {"usage": {"input_tokens": "many"}},
]


def placed(items: list[list[Json]]) -> list[list[Json]]:
    """The items at the indexes at which they stand."""
    return [[event | {"output_index": index} for event in events] for index, events in enumerate(deepcopy(items))]


def result(chunks: list[bytes], include: list[str], *, in_events: bool = True, limits: Limits = LIMITS) -> Json:
    """The Response that becomes of a reply."""
    decoder = DIALECT.decoder(plan(include=include).turn)
    deltas = [delta for chunk in chunks for delta in decoder.feed(chunk)] + decoder.close()
    recording = Recording(in_events=in_events, limits=limits)
    recording.record(deltas)
    response: Json = to_json(recording.transcript.snapshot())
    return response | {"returned": to_json(recording.reducer.returned())}


@given(
    st.lists(st.sampled_from(ITEMS), max_size=4, unique_by=lambda events: events[0]["item"]["id"]),
    st.sampled_from(ENDS),
    st.sampled_from(FACTS),
    st.sampled_from([[], ["reasoning.encrypted_content"]]),
    st.sampled_from([None, 2]),
    CUTS,
)
@shows("relayed-whole")
def test_a_response_is_the_fold_of_its_stream(
    items: list[list[Json]], end: Json, facts: Json, include: list[str], indent: int | None, cuts: list[int]
) -> None:
    *begun, ended = samples.stream(placed(items))
    response = ended["response"] | end | facts
    events = [*begun, ended | {"type": f"response.{end['status']}", "response": response}]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    body = json.dumps(response, indent=indent).encode()
    folded = result([stream], include)
    for in_events in (True, False):
        assert result(split(body, cuts), include, in_events=in_events) == folded


def whole(*items: Json) -> bytes:
    """The body of a Response."""
    return json.dumps({"status": "completed", "output": items}).encode()


TEXT: Json = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
ANSWER: Json = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [TEXT]}
CALL: Json = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}


@shows("relayed-whole")
@pytest.mark.parametrize("in_events", [True, False])
@pytest.mark.parametrize(
    ("item", "read"),
    [
        (ANSWER | {"content": "Hi"}, ANSWER),
        (ANSWER | {"id": None}, ANSWER),
        ({name: value for name, value in CALL.items() if name != "id"}, CALL),
        ({"type": "hologram_call", "shape": "cube"}, {"type": "hologram_call", "shape": "cube"}),
    ],
    ids=["a text as the content", "no id of a message", "no id of a call", "an unknown item without an id"],
)
def test_what_an_item_lacks_is_filled_in(item: Json, read: Json, in_events: bool) -> None:
    response = result([whole(item)], [], in_events=in_events)
    assert (response["status"], response["output"]) == ("completed", [read])


LOGPROB: Json = {"token": "Hi", "bytes": [72, 105], "logprob": -1.0, "top_logprobs": []}
REFUSAL: Json = {"type": "refusal", "refusal": "No"}
THOUGHT: Json = {
    "type": "reasoning",
    "id": "rs_1",
    "content": [{"type": "reasoning_text", "text": "So"}],
    "summary": [{"type": "summary_text", "text": "Hmm"}],
}
TYPED: Json = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "f", "input": "ls -l"}


@shows("memory")
@pytest.mark.parametrize("in_events", [True, False])
@pytest.mark.parametrize(
    ("items", "chars"),
    [
        ([ANSWER | {"id": f"msg_{n}"} for n in range(3)], 6),
        ([ANSWER | {"content": [TEXT | {"logprobs": [LOGPROB]}, REFUSAL, NEW_PART]}], 2 + 4 + 2),
        ([CALL, THOUGHT], 2 + 5),
        ([TYPED, NEW_ITEM], 5),
    ],
    ids=["texts", "logprobs and a refusal", "arguments and thoughts", "an input"],
)
def test_the_texts_of_items_are_bounded(items: list[Json], chars: int, in_events: bool) -> None:
    for output_bytes_max, status in ((chars, "completed"), (chars - 1, "failed")):
        limits = replace(LIMITS, output_bytes_max=output_bytes_max)
        assert result([whole(*items)], [], in_events=in_events, limits=limits)["status"] == status


@shows("identity")
@pytest.mark.parametrize("in_events", [True, False])
def test_two_items_with_one_id_are_the_upstreams_fault(in_events: bool) -> None:
    response = result([whole(ANSWER, ANSWER)], [], in_events=in_events)
    assert response["status"] == "failed"
    assert "the id of another item" in response["error"]["message"]


@shows("relayed-whole")
def test_the_upstream_is_asked_for_what_the_client_reads() -> None:
    for streams, accept in [(False, "application/json"), (True, "text/event-stream")]:
        request = DIALECT.encode(plan(stream=streams).turn)
        body = json.loads(request.body)
        assert (body["stream"], "stream_options" in body) == (streams, streams)
        assert ("accept", accept) in request.headers


@shows("relayed-whole")
@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "It broke.", "code": "x"}},
        {"error": "It broke."},
        {"status": "failed", "message": "It broke."},
    ],
)
def test_an_error_instead_of_a_response_is_read(error: Json) -> None:
    with pytest.raises(ApiError, match="It broke") as fault:
        result([json.dumps(error).encode()], [])
    assert fault.value.status == 502
