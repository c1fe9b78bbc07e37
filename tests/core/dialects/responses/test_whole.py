"""A Response that an upstream sends whole: it becomes what its stream becomes, whatever is in it."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import CUTS, LIMITS, Json, Recording, plan, split, to_json
from penstock.dialects.responses import ResponsesDialect
from penstock.errors import ApiError
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


def result(chunks: list[bytes], include: list[str]) -> Json:
    """The Response that becomes of a reply."""
    decoder = DIALECT.decoder(plan(include=include).turn)
    deltas = [delta for chunk in chunks for delta in decoder.feed(chunk)] + decoder.close()
    recording = Recording()
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
    assert result(split(body, cuts), include) == result([stream], include)


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
