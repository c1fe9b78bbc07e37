"""Messages of WebSocket mode: what a client sends, and the request in it."""

from __future__ import annotations

import json
from typing import Any

from core.kit import LIMITS
from penstock.endpoints.messages import read_event, request_body
from requirements import shows
from support.calls import count_calls

HI = {"role": "user", "content": "Hi"}


def message(**fields: Any) -> bytes:
    return json.dumps({"type": "response.create", "model": "m", **fields}).encode()


def test_the_request_is_what_is_left_of_the_message() -> None:
    event, fields = read_event(message(stream_id="a", generate=False, stream=False, input=[HI], seed=1.50), LIMITS)
    assert (event.type, event.generate, event.stream) == ("response.create", False, False)
    assert json.loads(request_body(event, fields)) == {"model": "m", "input": [HI], "seed": 1.5, "stream": True}


@shows("websocket-requests-read-once")
def test_a_message_costs_no_calls_for_the_request_in_it() -> None:
    def calls(message: bytes) -> int:
        return count_calls(lambda: read_event(message, LIMITS))

    bare, whole = b'{"type":"response.create"}', message(input=[HI], metadata={"a": "b"}, seed=1)
    calls(bare)  # makes what is made at first use
    assert calls(bare) == calls(whole)
