"""Ending in order what an upstream has left open."""

import json

import pytest

from core.kit import encode, from_json, to_json
from penstock import wire
from penstock.transcript import Transcript
from penstock.transcript.closing import close_open
from support import oracle, samples

STREAM = samples.stream()
OF_THE_CUT = {"apply_patch_call": "in_progress", "additional_tools": None}
"""The statuses of what was cut, where a family knows no such status, or none at all."""
BEGUN, ENDED = 2, len(STREAM) - 1


@pytest.mark.parametrize("count", range(BEGUN, ENDED + 1))
def test_after_any_event_a_stream_can_be_ended(count: int) -> None:
    """What had ended stays as it was; what had not is incomplete, if it can be, with all that was sent of it."""
    transcript = Transcript()
    for event in STREAM[:count]:
        transcript.record(from_json(event, wire.StreamEvent))
    close_open(transcript)
    error = wire.ResponseError(code="server_error", message="It was cut.")
    response = from_json(to_json(transcript.snapshot()) | {"status": "failed", "error": to_json(error)}, wire.Response)
    transcript.record(wire.Failed(response=response))
    sent = [json.loads(encode(event)) for event in transcript.take()]
    ended = oracle.check_stream(sent)
    assert [_plain(event) for event in sent[:count]] == [
        _plain(to_json(from_json(event, wire.StreamEvent))) for event in STREAM[:count]
    ]
    done = [event["item"] for event in STREAM[:count] if event["type"] == "response.output_item.done"]
    assert ended["output"][: len(done)] == done
    for item in ended["output"][len(done) :]:
        assert item.get("status") == OF_THE_CUT.get(item["type"], "incomplete")


def _plain(event: dict[str, object]) -> str:
    return json.dumps(event, sort_keys=True)
