"""Models: what is listed, who serves what, by exact names, patterns, aliases and default."""

from __future__ import annotations

import json

import openai
import pytest

from live.conftest import Start
from requirements import shows
from support import raw
from support.caller import CALLERS, Caller
from support.ignored_headers import ask, post
from support.scripts import SCRIPTS
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

TOML = """
model = "text"

[[upstreams]]
name = "first"
url = "{url}"
models = ["text", "call*"]
aliases = {{ "gpt-5" = "text", "text-too" = "text" }}
headers = {{ x-upstream = "first" }}

[[upstreams]]
name = "second"
url = "{url}"
models = ["call", "reasoning*"]
headers = {{ x-upstream = "second" }}
"""


@pytest.fixture
def two(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    """Two upstreams, distinguished by a header that each is sent."""
    return start(toml=TOML.format(url=upstream.url))


@shows("models")
def test_everything_that_the_upstream_lists(caller: Caller) -> None:
    assert set(caller.models()) >= SCRIPTS.keys()
    assert caller.model("text").owned_by


def test_one_that_it_does_not(caller: Caller) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        caller.model("nobody")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@shows("aliases")
def test_names_aliases_and_what_fits_a_pattern(two: PenstockServer) -> None:
    fitting = {name for name in SCRIPTS if name.startswith(("call", "reasoning"))}
    with CALLERS["sync"](two.url) as caller:
        listed = caller.models()
        assert set(listed) == {"text", "gpt-5", "text-too", *fitting}
        assert len(listed) == len(set(listed))
        assert caller.model("gpt-5").id == "gpt-5"
        with pytest.raises(openai.NotFoundError):
            caller.model("refusal")


@shows("models")
@pytest.mark.parametrize("base", ["/v1", ""])
def test_with_and_without_the_prefix(server: PenstockServer, base: str) -> None:
    listed = ask(server.base, "GET", f"{base}/models?client_version=1")
    assert (listed.status, listed.body["object"]) == (200, "list")
    assert ask(server.base, "GET", f"{base}/models/text").body["id"] == "text"
    assert ask(server.base, "GET", f"{base}/models/nobody").error["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("model", "upstream_name", "asked"),
    [
        ("text", "first", "text"),
        ("gpt-5", "first", "text"),
        ("call", "second", "call"),
        ("call_without_id", "first", "call_without_id"),
        ("reasoning", "second", "reasoning"),
        ("reasoning_details", "second", "reasoning_details"),
        (None, "first", "text"),
    ],
)
def test_which_upstream_serves_a_model(
    two: PenstockServer, upstream: ScriptedUpstream, model: str | None, upstream_name: str, asked: str
) -> None:
    body = {"input": "Hello?"} | ({"model": model} if model else {})
    reply = post(two.url, body)
    assert reply.response["model"] == (model or "text")
    received = upstream.completion()
    assert (received.headers["x-upstream"], received.body["model"]) == (upstream_name, asked)


def test_a_model_that_is_not_served(two: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = post(two.url, {"model": "refusal", "input": "Hello?"})
    assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "model_not_found", "model")
    assert not upstream.requests


def test_a_default_by_flag(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, "--model", "text")
    assert post(server.url, {"input": "Hello?"}).response["model"] == "text"


def test_the_synthetic_model(synthetic: PenstockServer) -> None:
    with CALLERS["async"](synthetic.url) as caller:
        assert caller.models() == ["synthetic"]
        assert caller.model("synthetic").id == "synthetic"
    assert post(synthetic.url, {"input": "Hello?"}).response["model"] == "synthetic"
    assert post(synthetic.url, {"model": "other", "input": "Hello?"}).status == 404


def test_an_upstream_that_is_down_hides_its_own_models_only(start: Start, upstream: ScriptedUpstream) -> None:
    down = '\n[[upstreams]]\nname = "down"\nurl = "http://127.0.0.1:1/v1"\nmodels = ["down-*"]\n'
    server = start(toml=TOML.format(url=upstream.url) + down, PENSTOCK_LIMITS_RETRIES_MAX="0")
    answer = ask(server.url, "GET", "/models")
    assert answer.status == 200
    assert {"text", "gpt-5", "call"} <= {model["id"] for model in answer.body["data"]}


def test_other_fields_of_an_upstreams_models(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    """The size of its context, its costs: a client that knows the upstream reads them here too."""
    text = {"max_model_len": 4096, "pricing": {"prompt": "1.50", "of": [None, 1e2]}}
    upstream.model_fields.update(text)
    listed = raw.ask(server.url, "GET", "/models").body
    [one] = [model for model in json.loads(listed)["data"] if model["id"] == "text"]
    assert {name: one[name] for name in text} == text
    assert b'"prompt": "1.50", "of": [null, 100.0]' in listed
    assert json.loads(raw.ask(server.url, "GET", "/models/text").body) == one
