"""Paced answers of the synthetic model, by the real server: never early, and ended by what ends other answers."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support import oracle, sse
from support.raw import Connection, post
from support.server import PenstockServer
from support.waiting import until

TOKENS = 8
TTFT_S, ITL_S = 0.2, 0.05
MODEL = "synthetic?ttft_ms=200&itl_ms=50"
SLOW = "synthetic?itl_ms=600000"
"""An answer that no test waits for."""


def asked(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "input": "Which way?", "max_output_tokens": TOKENS} | fields


@shows("synthetic-pace")
def test_no_token_is_early(synthetic: PenstockServer) -> None:
    with Connection(synthetic.url) as connection:
        began_s, texts = time.monotonic(), []
        connection.post(asked(MODEL, stream=True))
        _, headers = connection.head()
        for write in connection.writes(headers):
            texts += [time.monotonic() - began_s] * write.count(b"event: response.output_text.delta")
    assert len(texts) == TOKENS
    assert all(came_s >= TTFT_S + at * ITL_S for at, came_s in enumerate(texts))


@shows("synthetic-pace")
def test_a_json_reply_waits_its_whole_time(synthetic: PenstockServer) -> None:
    began_s = time.monotonic()
    answer = post(synthetic.url, asked(MODEL))
    assert time.monotonic() - began_s >= TTFT_S + (TOKENS - 1) * ITL_S
    assert answer.json()["usage"]["output_tokens"] == TOKENS


@shows("synthetic-pace")
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_it(synthetic: PenstockServer, stream: bool) -> None:
    left_before = synthetic.log.count("cancelled")
    with Connection(synthetic.url) as connection:
        connection.post(asked(SLOW, stream=stream))
        if stream:
            connection.head()
    until(lambda: synthetic.log.count("cancelled") > left_before)


@shows("synthetic-pace")
def test_a_server_that_stops_ends_it_in_order() -> None:
    with PenstockServer(env={"PENSTOCK_DRAIN_S": "0.5"}) as server:
        with Connection(server.url) as connection:
            connection.post(asked(SLOW, stream=True))
            _, headers = connection.head()
            writes = connection.writes(headers)
            body = next(writes)
            server.process.send_signal(signal.SIGTERM)
            body += b"".join(writes)
        response = oracle.check_stream([json.loads(frame.data or "") for frame in sse.parse(body) if frame.event])
        assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": None})
        assert server.process.wait(20) == 0, server.log


@shows("synthetic-pace")
def test_deadlines_are_those_of_other_models(start: Start) -> None:
    server = start(PENSTOCK_LIMITS_TOTAL_S="0.5")
    answer = post(server.url, asked(SLOW))
    assert (answer.status, answer.json()["error"]["message"]) == (504, "The response took longer than 0.5 s.")


@shows("synthetic-load")
def test_usage_shows_what_was_cached(synthetic: PenstockServer) -> None:
    model = "synthetic?cache_tokens=4096"
    turns = ["A long and tedious introduction. " * 40, "A long and tedious introduction. " * 40 + "And now?"]
    usages = [post(synthetic.url, asked(model, input=text)).json()["usage"] for text in turns]
    cached = [usage["input_tokens_details"]["cached_tokens"] for usage in usages]
    assert cached == [0, 320]
    assert usages[0]["input_tokens"] - 320 < 32
