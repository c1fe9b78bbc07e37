"""Recording: what the metrics count is what clients got."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from core.kit import FakeUpstream, Json, ask
from core.kit import service as make_service
from penstock import Settings, build
from penstock.errors import upstream_failed
from penstock.service import Service
from penstock.telemetry import AccessRecord
from penstock.telemetry.metrics import Metrics as Counted
from penstock.telemetry.metrics import take_snapshot, to_text
from penstock.transcript.deltas import Finish, TextDelta
from requirements import shows
from support import sse
from support.metrics import Metrics

REQUESTS = 1_000
BATCHES = [TextDelta("Hi")], [TextDelta(" you"), Finish()]


async def scrape(service: Service) -> Metrics:
    reply = await ask(service, method="GET", path="/metrics")
    assert reply.status == 200
    return Metrics(reply.body.decode())


def recorded(*records: AccessRecord, **options: Any) -> Metrics:
    metrics = Counted(**options)
    for record in records:
        metrics.record(record)
    return Metrics(to_text([take_snapshot("0", metrics.values)]).decode())


def response(model: str = "m", status: str = "completed", **fields: Any) -> AccessRecord:
    return AccessRecord(
        method="POST", path="/", request_id="", begun_s=5.0, model=model, response_status=status, has_run=True, **fields
    )


def body_of(draw: random.Random) -> Json:
    """A request of any kind. Every tenth is wrong."""
    return {
        "model": "synthetic" if draw.random() < 0.9 else "unknown",
        "input": "word " * draw.randint(1, 20),
        "stream": draw.random() < 0.5,
        "store": False,
        **({"max_output_tokens": draw.randint(16, 40)} if draw.random() < 0.5 else {}),
        **({"reasoning": {"effort": "low"}} if draw.random() < 0.3 else {}),
        **({"banana": 1} if draw.random() < 0.2 else {}),
    }


@pytest.mark.slow
@shows("metrics")
def test_the_numbers_are_those_of_the_transcripts() -> None:
    draw = random.Random(7)
    expected: Counter[str] = Counter()

    async def request(service: Service, body: Json) -> None:
        reply = await ask(service, body)
        expected[f"status {reply.status}"] += 1
        if reply.status != 200:
            return
        ended = sse.events(reply.body)[-1]["response"] if body["stream"] else reply.json()
        expected[ended["status"]] += 1
        expected["input"] += ended["usage"]["input_tokens"]
        expected["output"] += ended["usage"]["output_tokens"]
        expected["reasoning"] += ended["usage"]["output_tokens_details"]["reasoning_tokens"]
        expected["streams"] += body["stream"]
        expected["between"] += body["stream"] and ended["usage"]["output_tokens"] - 1
        expected["ignored"] += "banana" in body

    async def run() -> Metrics:
        service = build(Settings())
        try:
            await asyncio.gather(*(request(service, body_of(draw)) for _ in range(REQUESTS)))
            return await scrape(service)
        finally:
            await service.aclose()

    read = asyncio.run(run())
    assert expected["status 200"] + expected["status 404"] == REQUESTS
    assert min(expected.values()) > 50
    assert {
        "status 200": read("penstock_requests_total", route="/v1/responses", status="200"),
        "status 404": read("penstock_requests_total", route="/v1/responses", status="404"),
        "completed": read("penstock_responses_total", status="completed"),
        "incomplete": read("penstock_responses_total", status="incomplete", reason="max_output_tokens"),
        "input": read("penstock_input_tokens_total", model="synthetic"),
        "output": read("penstock_output_tokens_total"),
        "reasoning": read("penstock_reasoning_tokens_total"),
        "streams": read("penstock_time_to_first_token_seconds_count"),
        "between": read("penstock_inter_token_seconds_count"),
        "ignored": read("penstock_ignored_parameters_total", parameter="banana"),
    } == expected
    assert read("penstock_response_duration_seconds_count") == expected["completed"] + expected["incomplete"]
    assert read("penstock_requests_running") == read("penstock_streams_without_terminal_total") == 0
    assert read("vllm:generation_tokens_total") == expected["output"]


@shows("bounded-labels")
def test_models_are_bounded_and_have_no_options() -> None:
    known = [response(f"known-{number}") for number in range(70)]
    read = recorded(response("synthetic?ttft_ms=5"), response("failing", "failed"), *known, models=["synthetic"])
    labels = read.labels("penstock_responses_total", "model")
    assert {"synthetic", "_other", "known-0", "known-62"} <= labels
    assert len(labels) == 64 + 1
    assert read("penstock_responses_total", model="_other", status="failed") == 1
    assert read("penstock_responses_total", model="_other", status="completed") == 70 - 63


def test_tokens_that_came_together_have_no_time_between_them() -> None:
    times = {"first_event_s": 0.25, "sent_at": [5.25, 5.5, 6.0], "output_tokens": 10, "input_tokens": 1}
    local, other = response("local", upstream="here", **times), response("other", upstream="there", **times)
    read = recorded(local, other, local_upstreams=["here"])
    assert read("penstock_inter_token_seconds_count", model="local") == 9
    assert read("penstock_inter_token_seconds_count", model="other") == 2
    for model in ("local", "other"):
        assert read("penstock_inter_token_seconds_sum", model=model) == 0.75
        assert read("penstock_time_to_first_token_seconds_sum", model=model) == 0.25


def test_a_stream_that_only_follows_makes_no_response() -> None:
    following = response()
    following.has_run = False
    read = recorded(following, response(status="queued"), response(status="cancelled"))
    assert read("penstock_responses_total") == 1
    assert read("penstock_requests_total", route="_other") == 3


def test_a_stream_without_a_terminal_event_is_counted() -> None:
    assert recorded(response(lacks_terminal=True))("penstock_streams_without_terminal_total") == 1


@shows("metrics")
@pytest.mark.parametrize("stream", [True, False])
def test_what_runs_is_counted_while_it_runs(stream: bool) -> None:
    async def run() -> list[float]:
        opening = asyncio.Event()
        upstream = FakeUpstream(*BATCHES, opening=opening)
        service = make_service(upstream, metrics=Counted(models=["any"]))
        asking = asyncio.ensure_future(ask(service, {"input": "Hi", "stream": stream}))
        for _ in range(100):
            await asyncio.sleep(0)
        assert upstream.turns
        while_running = await scrape(service)
        opening.set()
        assert (await asking).status == 200
        return [read("penstock_requests_running", model="any") for read in (while_running, await scrape(service))]

    assert asyncio.run(run()) == [1, 0]


@shows("metrics")
@pytest.mark.parametrize("stream", [True, False])
def test_a_failing_upstream_is_blamed_once(stream: bool) -> None:
    async def run() -> Metrics:
        service = make_service(FakeUpstream([TextDelta("Hi")], upstream_failed("no")), metrics=Counted(models=["any"]))
        await ask(service, {"input": "Hi", "stream": stream})
        return await scrape(service)

    read = asyncio.run(run())
    assert read("penstock_upstream_errors_total", blame="upstream") == read("penstock_upstream_errors_total") == 1
    assert read("penstock_responses_total", status="failed", reason="server_error") == 1


def test_metrics_can_be_off() -> None:
    async def run() -> Json:
        service = build(Settings(metrics=False))
        assert (await ask(service, {"input": "Hi", "store": False})).status == 200
        reply = await ask(service, method="GET", path="/metrics")
        await service.aclose()
        return {"status": reply.status, "code": reply.json()["error"]["code"]}

    assert asyncio.run(run()) == {"status": 404, "code": "metrics_off"}
