"""The handler of a managed runtime: events in, results out, with the settings of the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from penstock.settings import SettingsError
from penstock_adapters import aws_lambda
from penstock_adapters.aws_lambda.events import EventError
from penstock_adapters.aws_lambda.function import Function, function_settings
from requirements import shows
from support import oracle, sse
from support.lambda_events import FORMS, FUNCTION_URL, responses, v2
from support.upstream import ScriptedUpstream

OPEN = {"PENSTOCK_ALLOW_ANONYMOUS": "true"}


class Context:
    """Lambda's context, as far as it is read."""

    def __init__(self, ms: int = 60_000) -> None:
        self.ms = ms

    def get_remaining_time_in_millis(self) -> int:
        return self.ms


@pytest.fixture(autouse=True)
def unlogged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of this process stays as it is; that of a function is test_runtime's."""
    monkeypatch.setattr("penstock_adapters.aws_lambda.function.configure_logging", lambda *_: None)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def function() -> Iterator[Callable[..., Function]]:
    """Makes the function of some variables."""
    made: list[Function] = []

    def make(**environment: str) -> Function:
        made.append(Function(function_settings(OPEN | environment)))
        return made[-1]

    yield make
    for each in made:
        each.close()


MakeFunction = Callable[..., Function]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_response_in_every_form(form: Callable[..., dict[str, Any]], function: MakeFunction) -> None:
    made = function()
    for _ in range(2):  # the event loop goes on
        got = made.answer(responses(form), Context())
        assert got["statusCode"] == 200
        assert oracle.check_response(json.loads(got["body"]))["status"] == "completed"
    got = made.answer(responses(form, stream=True), Context())
    assert oracle.check_stream(sse.events(got["body"].encode()))["status"] == "completed"


def test_the_handler_reads_the_environment(monkeypatch: pytest.MonkeyPatch, function: MakeFunction) -> None:
    monkeypatch.setenv("PENSTOCK_ALLOW_ANONYMOUS", "true")
    monkeypatch.setattr(aws_lambda, "_function", lambda: function(PENSTOCK_MODEL="synthetic"))
    assert aws_lambda.handler(v2("GET", "/v1/models"), None)["statusCode"] == 200


@pytest.mark.parametrize("event", [{}, {"Records": []}, None])
def test_another_event_is_an_error(event: Any, function: MakeFunction) -> None:
    with pytest.raises(EventError):
        function().answer(event, Context())


@shows("exposed-functions")
def test_it_needs_keys_or_to_be_open(function: MakeFunction) -> None:
    with pytest.raises(SettingsError, match="set keys, or PENSTOCK_ALLOW_ANONYMOUS"):
        function_settings({})
    made = function(PENSTOCK_ALLOW_ANONYMOUS="false", PENSTOCK_API_KEYS="sk-1")
    assert made.answer(responses(), None)["statusCode"] == 401
    keyed = [("authorization", "Bearer sk-1"), ("content-type", "application/json"), ("host", FUNCTION_URL)]
    assert made.answer(responses(headers=keyed), None)["statusCode"] == 200


@shows("no-background")
def test_nothing_outlives_a_request(function: MakeFunction) -> None:
    made = function()
    for body in ({"background": True}, {"previous_response_id": "resp_1"}):
        got = made.answer(responses(**body), Context())
        assert (got["statusCode"], json.loads(got["body"])["error"]["param"]) == (400, next(iter(body)))


@shows("exposed-functions")
def test_there_is_no_open_administration(function: MakeFunction) -> None:
    """A load balancer passes on any `Host`, a local one too."""
    assert function().answer(v2("GET", "/admin/synthetic", headers=[("host", "localhost")]), None)["statusCode"] == 404


def test_an_upgrade_is_refused(function: MakeFunction) -> None:
    headers = [("upgrade", "websocket"), ("connection", "upgrade"), ("host", FUNCTION_URL)]
    assert function().answer(v2("GET", "/v1/responses", headers=headers), Context())["statusCode"] == 426


@shows("function-results")
def test_a_stream_that_is_too_long_for_a_result(upstream: ScriptedUpstream, function: MakeFunction) -> None:
    got = function(PENSTOCK_UPSTREAM=upstream.url).answer(responses(model="flood", stream=True), Context())
    assert (got["statusCode"], json.loads(got["body"])["error"]["code"]) == (502, "response_too_large")
    upstream.completion().wait_left()


@shows("cut-relays")
def test_a_relay_that_is_cut_is_an_error(upstream: ScriptedUpstream, function: MakeFunction) -> None:
    body = json.dumps({"model": "cut", "messages": [], "stream": True}).encode()
    got = function(PENSTOCK_UPSTREAM=upstream.url).answer(v2("POST", "/v1/chat/completions", body=body), Context())
    assert got["statusCode"] == 502


@shows("request-deadline")
def test_it_answers_before_its_time_is_over(upstream: ScriptedUpstream, function: MakeFunction) -> None:
    made = function(PENSTOCK_UPSTREAM=upstream.url)
    got = made.answer(responses(model="hang_midway"), Context(1_000))
    assert (got["statusCode"], json.loads(got["body"])["error"]["code"]) == (504, "deadline_exceeded")
    got = made.answer(responses(model="hang_midway", stream=True), Context(1_000))
    assert oracle.check_stream(sse.events(got["body"].encode()))["status"] == "incomplete"


@pytest.mark.slow
@shows("lean-imports")
def test_it_imports_little() -> None:
    """Each makes a cold start longer."""

    heavy = "starlette aiohttp httpx boto3 pydantic http.client sqlite3 uvicorn openai cryptography".split()
    code = "import sys, penstock_adapters.aws_lambda.runtime; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & set(heavy)
