"""The runtime in front of a Runtime API that refuses, cuts or sends what is odd, and when its process is ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from penstock_adapters.aws_lambda.runtime import POLLS_MAX, polls
from requirements import shows
from support import oracle, sse
from support.lambda_events import responses, v2
from support.runtime_api import RuntimeApiServer
from support.server import environment
from support.upstream import ScriptedUpstream
from support.waiting import until

pytestmark = pytest.mark.slow
MODULE = (sys.executable, "-m", "penstock_adapters.aws_lambda")
HEALTH = v2("GET", "/healthz")


class Running:
    """A runtime as a process. `log` is what it has written when it has ended."""

    def __init__(self, api: RuntimeApiServer, **variables: str) -> None:
        env = environment() | {"PENSTOCK_ALLOW_ANONYMOUS": "true", "AWS_LAMBDA_RUNTIME_API": api.address} | variables
        self.process = subprocess.Popen(MODULE, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log = ""

    def ended(self) -> int:
        """Wait for its end. Returns its status."""
        self.log, _ = self.process.communicate(timeout=30)
        assert "Traceback" not in self.log, self.log
        return self.process.returncode


@contextmanager
def function(api: RuntimeApiServer, **variables: str) -> Iterator[Running]:
    running = Running(api, **variables)
    try:
        with api.running():
            yield running
        if not running.log:
            running.ended()
    finally:
        running.process.kill()
        running.process.wait(30)


@pytest.mark.parametrize("mode", ["response_stream", "buffered"])
def test_a_reply_that_is_refused_is_in_the_log_and_the_loop_goes_on(mode: str) -> None:
    api = RuntimeApiServer()
    api.statuses = {f"/invocation/refused-{status}/": status for status in (400, 413, 500, 0)}
    with function(api, PENSTOCK_INVOKE_MODE=mode) as running:
        for path in api.statuses:
            assert api.answer(HEALTH, path.split("/")[2]).path == f"{path}response"
            assert api.answer(HEALTH, "next").path == "/invocation/next/response"
    for path, status in api.statuses.items():
        assert f"event {path.split('/')[2]} has no reply" in running.log
        assert not status or f"status {status}" in running.log


@pytest.mark.parametrize("status", [403, 500, 0])
def test_no_more_events_end_the_process(status: int) -> None:
    api = RuntimeApiServer()
    api.statuses["/invocation/next"] = status
    with function(api) as running:
        assert running.ended() == 1
    assert "the Runtime API failed" in running.log


def test_a_restore_that_fails_ends_the_process() -> None:
    api = RuntimeApiServer()
    api.statuses["/restore/next"] = 500
    with function(api, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start") as running:
        assert running.ended() == 1
    assert "status 500" in running.log


@shows("function-init")
def test_the_reason_is_in_the_log_though_the_report_is_not_taken() -> None:
    api = RuntimeApiServer()
    api.statuses["/init/error"] = 0
    with function(api, PENSTOCK_ALLOW_ANONYMOUS="false") as running:
        assert running.ended() == 1
    assert "set keys, or PENSTOCK_ALLOW_ANONYMOUS" in running.log


@shows("request-deadline")
def test_a_deadline_that_is_over_is_a_504() -> None:
    api = RuntimeApiServer(deadline_s=-5)
    with ScriptedUpstream() as upstream, function(api, PENSTOCK_UPSTREAM=upstream.url):
        posted = api.answer(responses(model="hang"))
        error = json.loads(posted.streamed)["error"]
        assert (posted.prelude["statusCode"], error["code"]) == (504, "deadline_exceeded")


def test_an_odd_deadline_is_none() -> None:
    api = RuntimeApiServer()
    with function(api):
        for api.deadline_header in ("soon", "-1", "1.5e12", "9" * 400, "9" * 5_000):
            assert api.answer(responses()).prelude["statusCode"] == 200


def test_two_events_of_one_id_at_once() -> None:
    with ScriptedUpstream() as upstream:
        api = RuntimeApiServer()
        with function(api, PENSTOCK_UPSTREAM=upstream.url, AWS_LAMBDA_MAX_CONCURRENCY="2"):
            until(lambda: api.waiting == 2)
            for _ in range(2):
                api.send(responses(model="slow", stream=True), "same")
            for _ in range(2):
                assert oracle.check_stream(sse.events(api.next().streamed))["status"] == "completed"


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("3", 3),
        ("", 1),
        ("0", 1),
        ("-2", 1),
        ("2.5", 1),
        ("many", 1),
        ("1000000000", POLLS_MAX),
        ("9" * 5_000, POLLS_MAX),
    ],
)
def test_the_number_of_polls(given: str, number: int) -> None:
    assert polls({"AWS_LAMBDA_MAX_CONCURRENCY": given}) == number


def test_one_poll_without_the_variable() -> None:
    assert polls({}) == 1


def test_a_stream_ends_as_incomplete_when_the_process_is_ended() -> None:
    """Lambda sends SIGTERM where an extension is registered, and SIGKILL half a second later."""
    with ScriptedUpstream() as upstream:
        api = RuntimeApiServer()
        with function(api, PENSTOCK_UPSTREAM=upstream.url, AWS_LAMBDA_MAX_CONCURRENCY="2") as running:
            until(lambda: api.waiting == 2)
            api.send(responses(model="hang_midway", stream=True))
            upstream.completion()
            running.process.send_signal(signal.SIGTERM)
            posted = api.next()
            assert running.ended() == 0
    assert posted.is_whole
    assert oracle.check_stream(sse.events(posted.streamed))["status"] == "incomplete"
