"""The load of the synthetic model in the metrics of the live server: queue, caches, and how late its tokens are."""

from __future__ import annotations

import pytest

from live.conftest import Start
from requirements import shows
from support.metrics import scrape
from support.raw import Connection, post
from support.server import PenstockServer
from support.waiting import until

SLOW = "synthetic?itl_ms=600000&batch_max=1&kv_tokens=100"


@pytest.fixture
def server(start: Start) -> PenstockServer:
    return start(PENSTOCK_METRICS="true")


def value(server: PenstockServer, name: str) -> float:
    [found] = [each.value for each in scrape(server).samples if each.name == name]
    return found


@shows("synthetic-load", "metrics")
def test_a_queue_is_visible(server: PenstockServer) -> None:
    with Connection(server.url) as running, Connection(server.url) as waiting:
        for connection in (running, waiting):
            connection.post({"model": SLOW, "input": "Which way?", "stream": True})
            connection.head()
        assert value(server, "penstock_requests_running") == value(server, "vllm:num_requests_running") == 1
        assert value(server, "penstock_requests_queued") == value(server, "vllm:num_requests_waiting") == 1
        assert 0 < value(server, "vllm:kv_cache_usage_perc") < 0.5
    until(lambda: value(server, "penstock_requests_running") == value(server, "penstock_requests_queued") == 0)
    assert value(server, "vllm:kv_cache_usage_perc") == 0


@shows("synthetic-load", "metrics")
def test_caches_are_counted(server: PenstockServer) -> None:
    for _ in range(2):
        post(server.url, {"model": "synthetic?cache_tokens=4096", "input": "A long introduction. " * 40})
    assert value(server, "vllm:prefix_cache_hits_total") > 180
    assert value(server, "vllm:prefix_cache_queries_total") >= 2 * value(server, "vllm:prefix_cache_hits_total")
    assert value(server, "vllm:num_preemptions_total") == 0


@shows("synthetic-pace", "metrics")
def test_late_tokens_are_counted(server: PenstockServer) -> None:
    before = value(server, "penstock_stream_lag_seconds_count")
    post(server.url, {"model": "synthetic?tokens=5&itl_ms=1", "input": "Which way?", "stream": True})
    assert 1 <= value(server, "penstock_stream_lag_seconds_count") - before <= 5


@shows("synthetic-load")
@pytest.mark.parametrize("stream", [True, False])
def test_choices_wait_for_each_other_in_the_queue(server: PenstockServer, stream: bool) -> None:
    body = {"model": "synthetic?tokens=4&itl_ms=1&batch_max=1", "n": 3, "stream": stream}
    answer = post(server.url, body | {"messages": [{"role": "user", "content": "Which way?"}]}, "/chat/completions")
    assert answer.status == 200
    assert answer.body.count(b'"finish_reason":"stop"') == 3
