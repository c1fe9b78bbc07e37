"""The runtime as a process of its own, in front of a Runtime API that notes each piece with its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from requirements import shows
from support import oracle, sse
from support.lambda_events import FORMS, FUNCTION_URL, HTTP_API, responses, v2
from support.runtime_api import Posted, RuntimeApiServer
from support.server import ROOT, environment
from support.upstream import ScriptedUpstream
from support.waiting import until

pytestmark = pytest.mark.slow
MODULE = (sys.executable, "-m", "penstock_adapters.aws_lambda")
OPEN = {"PENSTOCK_ALLOW_ANONYMOUS": "true"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@contextmanager
def function(
    api: RuntimeApiServer, command: Sequence[str] = MODULE, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """The runtime as a process. It ends when its Runtime API does."""
    env = environment() | OPEN | {"AWS_LAMBDA_RUNTIME_API": api.address} | variables
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with api.running():
            yield process
        log, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait(30)
    assert "Traceback" not in log, log


def response_of(posted: Posted) -> Any:
    """The Response of a streamed result."""
    assert posted.path == "/invocation/id-1/response"
    assert posted.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert posted.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert (posted.prelude["statusCode"], posted.trailers, posted.is_whole) == (200, {}, True)
    return oracle.check_stream(sse.events(posted.streamed))


@shows("function-streams")
def test_pieces_leave_as_they_come(upstream: ScriptedUpstream) -> None:
    api = RuntimeApiServer()
    with function(api, PENSTOCK_UPSTREAM=upstream.url):
        posted = api.answer(responses(model="slow", stream=True))
        assert response_of(posted)["status"] == "completed"
        assert posted.prelude["headers"]["content-type"].startswith("text/event-stream")
        # The upstream pauses after its first word, and the word was there before the rest.
        assert posted.times[-1] - posted.times[0] > 0.2
        assert b"response.completed" not in b"".join(posted.pieces[:-1])


@pytest.mark.parametrize("form", ["v1", "v2"])
def test_replies_that_are_no_stream_are_streamed_too(form: str) -> None:
    api = RuntimeApiServer()
    with function(api):
        posted = api.answer(responses(FORMS[form]))
        assert posted.prelude["statusCode"] == 200
        assert oracle.check_response(json.loads(posted.streamed))["status"] == "completed"
        posted = api.answer(v2("GET", "/nowhere"))
        assert (posted.prelude["statusCode"], json.loads(posted.streamed)["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(
    ("event", "variables"),
    [
        (responses(FORMS["alb"]), {}),
        (v2("POST", "/v1/responses", body=b'{"model": "synthetic", "input": "Hi"}', domain=HTTP_API), {}),
        (responses(), {"PENSTOCK_INVOKE_MODE": "buffered"}),
    ],
    ids=["load balancer", "HTTP API", "by setting"],
)
def test_a_caller_that_takes_no_stream_gets_a_result(event: dict[str, Any], variables: dict[str, str]) -> None:
    api = RuntimeApiServer()
    with function(api, **variables):
        posted = api.answer(event)
        assert "lambda-runtime-function-response-mode" not in posted.headers
        assert posted.json["statusCode"] == 200
        assert oracle.check_response(json.loads(posted.json["body"]))["status"] == "completed"


@shows("function-events")
@pytest.mark.parametrize("event", [{}, b"{", {"Records": []}], ids=["empty", "no JSON", "of a queue"])
def test_a_wrong_event_is_reported_and_the_next_one_answered(event: Any) -> None:
    api = RuntimeApiServer()
    with function(api):
        posted = api.answer(event, "wrong")
        assert posted.path == "/invocation/wrong/error"
        assert (
            posted.json["errorType"] == posted.headers["lambda-runtime-function-error-type"] == "Runtime.InvalidEvent"
        )
        assert response_of(api.answer(responses(stream=True)))["status"] == "completed"


@shows("function-init", "exposed-functions")
def test_a_function_that_cannot_start_reports_why() -> None:
    api = RuntimeApiServer()
    with function(api, PENSTOCK_ALLOW_ANONYMOUS="false") as process:
        posted = api.next()
        assert posted.path == "/init/error"
        assert "set keys, or PENSTOCK_ALLOW_ANONYMOUS" in posted.json["errorMessage"]
        assert process.wait(30) == 1


def test_without_a_runtime_api_it_ends() -> None:
    run = subprocess.run(MODULE, env=environment() | OPEN, capture_output=True, text=True, check=False)
    assert (run.returncode, "runs in AWS Lambda only" in run.stderr) == (1, True)


@shows("cut-relays", "function-streams")
def test_a_relay_that_is_cut_ends_with_an_error(upstream: ScriptedUpstream) -> None:
    api = RuntimeApiServer()
    body = json.dumps({"model": "cut", "messages": [], "stream": True}).encode()
    with function(api, PENSTOCK_UPSTREAM=upstream.url):
        posted = api.answer(v2("POST", "/v1/chat/completions", body=body))
        assert (posted.prelude["statusCode"], posted.is_whole) == (200, True)
        assert posted.trailers["lambda-runtime-function-error-type"] == "Runtime.StreamCut"
        assert posted.trailing_error["errorType"] == "Runtime.StreamCut"
        # A Response that is cut has an end of its own.
        assert response_of(api.answer(responses(model="cut", stream=True)))["status"] == "failed"


@shows("request-deadline")
def test_it_ends_before_lambda_ends_it(upstream: ScriptedUpstream) -> None:
    api = RuntimeApiServer(deadline_s=2)
    with function(api, PENSTOCK_UPSTREAM=upstream.url):
        assert response_of(api.answer(responses(model="hang_midway", stream=True)))["status"] == "incomplete"
        posted = api.answer(responses(model="hang"))
        assert (posted.prelude["statusCode"], json.loads(posted.streamed)["error"]["code"]) == (
            504,
            "deadline_exceeded",
        )


@pytest.mark.parametrize("arguments", [[], [sys.executable]], ids=["a custom runtime", "a wrapper"])
def test_bootstrap_starts_it(arguments: list[str]) -> None:
    api = RuntimeApiServer()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with function(api, PATH=path, command=[str(ROOT / "deploy" / "aws" / "bootstrap"), *arguments]):
        assert api.answer(responses()).prelude["statusCode"] == 200


def test_several_events_at_once(upstream: ScriptedUpstream) -> None:
    api = RuntimeApiServer()
    with function(api, PENSTOCK_UPSTREAM=upstream.url, AWS_LAMBDA_MAX_CONCURRENCY="3"):
        until(lambda: api.waiting == 3)
        api.send(responses(model="slow", stream=True), "slow")
        api.send(v2("GET", "/healthz"), "quick")
        assert [api.next().path for _ in range(2)] == ["/invocation/quick/response", "/invocation/slow/response"]


def test_after_a_snapshot_it_goes_on(upstream: ScriptedUpstream) -> None:
    api = RuntimeApiServer()
    with function(api, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start"):
        assert api.answer(v2("GET", "/healthz", headers=[("host", FUNCTION_URL)])).prelude["statusCode"] == 200
        assert api.restores == 1
