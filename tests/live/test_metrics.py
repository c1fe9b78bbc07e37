"""Metrics of the live server: every way in which a request can end is counted, and counted once."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from live.conftest import Start
from live.test_disconnects import begin
from requirements import shows
from support.metrics import Metrics, scrape
from support.raw import Connection, ask, post
from support.scripts import SCRIPTS, TOKENS
from support.server import PenstockServer
from support.talk import Talk
from support.upstream import ScriptedUpstream
from support.waiting import until

Json = dict[str, Any]
STATUS = "penstock_requests_total"
ENDED = "penstock_responses_total"
ERRORS = "penstock_upstream_errors_total"
WHOLE = ("text", "reasoning", "call", "length", "content_filter", "usage_detailed", "cut", "error_midway")
EXPECTED = {name: SCRIPTS[name].expect for name in WHOLE}


@pytest.fixture
def server(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, PENSTOCK_STORE="memory://", PENSTOCK_METRICS="true")


class Changes:
    """How the metrics of a server have changed. Other tests may have used it before."""

    def __init__(self, server: PenstockServer) -> None:
        self._server = server
        self._before = scrape(server)

    def __call__(self, name: str, **labels: str) -> float:
        return _value(scrape(self._server), name, labels) - _value(self._before, name, labels)

    def until(self, count: float, name: str, **labels: str) -> None:
        """Wait until it has changed so: a reply is counted when its last byte is written."""
        until(lambda: self(name, **labels) == count)


def _value(read: Metrics, name: str, labels: Json) -> float:
    """A series that is counted for the first time was 0 before."""
    found = [each.value for each in read.samples if each.name == name and labels.items() <= each.labels.items()]
    return sum(found)


@pytest.fixture
def changes(server: PenstockServer) -> Changes:
    return Changes(server)


def create(server: PenstockServer, model: str = "text", **body: Any) -> int:
    return post(server.url, {"model": model, "input": "Hello?", **body}).status


@shows("metrics")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", WHOLE)
def test_a_response_is_counted_by_its_end(server: PenstockServer, changes: Changes, model: str, stream: bool) -> None:
    expect = SCRIPTS[model].expect
    fails_at_once = expect.status == "failed" and not stream
    status = create(server, model, stream=stream)
    assert (status == 200) is not fails_at_once
    changes.until(1, STATUS, route="/v1/responses", status=str(status))
    assert changes(ENDED) == changes(ENDED, status=expect.status) == 1
    assert changes("penstock_response_duration_seconds_count") == 1
    assert changes("penstock_time_to_first_token_seconds_count") == stream
    if expect.reason:
        assert changes(ENDED, reason=expect.reason) == 1
    if expect.tokens and expect.status != "failed":
        tokens = changes("penstock_input_tokens_total"), changes("penstock_output_tokens_total")
        assert tokens == expect.tokens
    assert changes(ERRORS, blame="upstream") == (expect.status == "failed")


@shows("metrics")
@pytest.mark.parametrize(
    ("model", "status", "blame"), [("bad_request", 400, "client"), ("server_error", 502, "upstream")]
)
def test_a_response_that_fails_before_it_begins_is_counted(
    server: PenstockServer, changes: Changes, model: str, status: int, blame: str
) -> None:
    assert create(server, model) == status
    changes.until(1, STATUS, status=str(status))
    assert changes(ENDED) == changes(ENDED, status="failed") == 1
    assert changes(ERRORS) == changes(ERRORS, blame=blame) == 1 + changes("penstock_upstream_retries_total") > 0


@shows("metrics")
def test_retries_are_counted(server: PenstockServer, changes: Changes) -> None:
    assert create(server, "flaky") == 200
    changes.until(1, ENDED, status="completed")
    assert changes("penstock_upstream_retries_total") == changes(ERRORS, blame="upstream") > 0


@shows("metrics")
def test_mistakes_of_clients_are_counted(server: PenstockServer, changes: Changes) -> None:
    assert create(server, temperature="warm") == 400
    assert ask(server.url, "GET", "/nothing/here").status == 404
    assert ask(server.url, "GET", "/responses/resp_1").status == 404
    changes.until(1, STATUS, route="/v1/responses", status="400")
    assert changes(STATUS, route="_other", status="404") == 1
    assert changes(STATUS, route="/v1/responses/{id}", status="404") == 1
    assert changes(ERRORS) == changes(ENDED) == 0


@shows("metrics")
@pytest.mark.parametrize(("model", "stream"), [("hang_midway", True), ("hang", True), ("hang", False)])
def test_a_client_that_leaves_is_counted(
    server: PenstockServer, changes: Changes, upstream: ScriptedUpstream, model: str, stream: bool
) -> None:
    connection = begin(server, model, stream=stream)
    upstream.completion()
    assert changes("penstock_requests_running") == 1
    connection.reset()
    changes.until(1, STATUS, route="/v1/responses", status="499")
    assert changes("penstock_requests_running") == 0
    assert changes(ENDED) == changes(ENDED, status="cancelled") == 1
    assert changes("penstock_streams_without_terminal_total") == 0


@shows("metrics")
def test_turns_over_websocket_are_counted(server: PenstockServer, changes: Changes) -> None:
    with Talk(server) as talk:
        for model in ("text", "cut"):
            talk.turn(model=model, input="Hi")
        assert talk.refused({"type": "response.create", "model": "bad_request", "input": "Hi"})["status"] == 400
        changes.until(1, STATUS, route="websocket", status="400")
        assert changes("penstock_websocket_connections") == 1
    changes.until(1, STATUS, route="/v1/responses", status="101")
    assert changes(STATUS, route="websocket", status="200") == 2
    assert (changes(ENDED, status="completed"), changes(ENDED, status="failed")) == (1, 2)
    assert changes("penstock_time_to_first_token_seconds_count") == 2


@shows("metrics")
def test_a_background_response_is_counted_once(server: PenstockServer, changes: Changes) -> None:
    """Neither the request for it nor a stream that follows it is another response."""
    assert create(server, background=True, stream=True) == 200
    changes.until(1, STATUS, route="background", status="200")
    changes.until(1, STATUS, route="/v1/responses", status="200")
    assert changes(ENDED) == changes(ENDED, status="completed") == 1
    assert changes("penstock_store_seconds_count", operation="write") > 2


@shows("metrics")
@pytest.mark.parametrize(
    ("model", "status", "ended"), [("text", 200, "completed"), ("cut", 200, "failed"), ("bad_request", 400, "failed")]
)
def test_a_chat_reply_counts(server: PenstockServer, changes: Changes, model: str, status: int, ended: str) -> None:
    body = json.dumps({"model": model, "messages": [], "stream": True}).encode()
    with Connection(server.url) as connection:
        connection.send("POST", "/chat/completions", body, {"content-type": "application/json"})
        assert connection.head()[0] == status
        with suppress(OSError, ValueError):  # one of them is cut
            connection.socket.settimeout(2)
            connection.file.read()
    changes.until(1, STATUS, route="/v1/chat/completions", status=str(status))
    assert changes(ENDED) == changes(ENDED, status=ended) == 1
    assert changes(ERRORS) == (ended == "failed")
    assert changes("penstock_time_to_first_token_seconds_count") == (status == 200)


@shows("metrics")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("option", ["fail_at=3", "error_at=3"])
@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/responses"])
def test_a_failure_of_the_synthetic_model_counts(start: Start, path: str, option: str, stream: bool) -> None:
    server = start(PENSTOCK_METRICS="true")
    changes = Changes(server)
    messages = [{"role": "user", "content": "Hi"}]
    text = {
        "/chat/completions": {"messages": messages},
        "/completions": {"prompt": "Hi"},
        "/responses": {"input": "Hi"},
    }
    post(server.url, {"model": f"synthetic?{option}", "stream": stream} | text[path], path)
    changes.until(1, ENDED, status="failed", reason="server_error")
    assert changes(ERRORS) == changes(ERRORS, blame="upstream") == 1


@shows("metrics")
@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
@pytest.mark.parametrize(
    "model", ["quota_spent", "rate_limited", "bad_request", "too_long", "server_error", "unauthorized"]
)
def test_a_refusal_counts_with_its_code(server: PenstockServer, changes: Changes, model: str, path: str) -> None:
    """Whether or not the upstream's reply is passed on."""
    reply = post(server.url, {"model": model, "messages" if path != "/responses" else "input": []}, path)
    error = json.loads(reply.body)["error"]
    changes.until(1, ENDED, status="failed", reason=error["code"] or error["type"])
    assert changes(ENDED) == 1


@shows("metrics")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", [name for name in SCRIPTS if name.startswith("usage_")])
def test_the_tokens_of_a_chat_reply_count_where_it_has_them(
    server: PenstockServer, changes: Changes, model: str, stream: bool
) -> None:
    reply = post(server.url, {"model": model, "messages": [], "stream": stream}, "/chat/completions")
    assert reply.status == 200
    changes.until(1, ENDED, status="completed")
    tokens = changes("penstock_input_tokens_total"), changes("penstock_output_tokens_total")
    assert tokens == ((0, 0) if model == "usage_none" else TOKENS)
    details = changes("penstock_cached_tokens_total"), changes("penstock_reasoning_tokens_total")
    assert details == ((5, 3) if model == "usage_detailed" else (0, 0))


@shows("metrics")
def test_an_embedding_is_no_response(server: PenstockServer, changes: Changes) -> None:
    assert post(server.url, {"model": "text", "input": "Hi"}, "/embeddings").status == 200
    changes.until(1, STATUS, route="/v1/embeddings", status="200")
    assert changes(ENDED) == 0


@shows("metrics")
def test_the_metrics_want_a_key_where_there_are_keys(start: Start) -> None:
    server = start(PENSTOCK_API_KEYS="sk-of-prometheus")
    assert ask(server.base, "GET", "/metrics").status == 401
    assert create(server) == 401
    read = scrape(server, authorization="Bearer sk-of-prometheus")
    assert read(STATUS, route="/metrics", status="401") == read(STATUS, route="/v1/responses", status="401") == 1


@shows("metrics")
def test_a_breaker_is_seen(start: Start) -> None:
    server = start("--upstream", "http://127.0.0.1:1/v1", PENSTOCK_LIMITS_BREAKER_FAILURES="2")
    for _ in range(3):
        assert create(server) in (502, 503)
    read = scrape(server)
    assert read("penstock_breaker_open", upstream="default") == 1
    assert read("penstock_breaker_trips_total", upstream="default") == 1


@shows("metrics")
@pytest.mark.parametrize("remote", [True, False])
def test_every_series_is_there_from_the_start(start: Start, upstream: ScriptedUpstream, remote: bool) -> None:
    server = start(*(("--upstream", upstream.url) if remote else ()), PENSTOCK_LIMITS_LINGER_S="4.5")
    read = scrape(server)
    families = {line.split()[2] for line in read.text.splitlines() if line.startswith("# TYPE ")}
    with_samples = {sample.name.removesuffix("_count") for sample in read.samples}
    assert families - with_samples == {"penstock_ignored_parameters_total", "penstock_tool_call_seconds"}
    assert read(ENDED, status="completed") == read(STATUS, route="/v1/responses", status="500") == 0
    assert read(ERRORS, blame="server") == read("penstock_scrape_errors_total") == 0
    assert ("vllm:num_requests_running" in with_samples) is not remote
