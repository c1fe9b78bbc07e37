"""At the start: what each upstream serves is asked and logged, and what is wrong with one is a warning; readiness."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from requirements import shows
from support import raw
from support.ignored_headers import ask, post
from support.server import PenstockServer
from support.steps import Reply
from support.upstream import ScriptedUpstream
from support.waiting import until

Json = dict[str, Any]
HELLO: Json = {"input": "Hello?"}


def listing(*names: str) -> Reply:
    return Reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


@contextmanager
def running(reply: Reply | None = None, *names: str) -> Iterator[ScriptedUpstream]:
    """An upstream of its own, which answers `GET /models` so."""
    with ScriptedUpstream() as upstream:
        upstream.models_reply = reply or listing(*names)
        yield upstream


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def warnings(server: PenstockServer) -> str:
    return "".join(line for line in server.lines if " WARNING " in line)


@shows("models-at-start")
def test_the_banner_lists_what_the_upstream_serves() -> None:
    names = [f"model-{number}" for number in range(12)]
    with running(None, *names) as upstream, PenstockServer("--upstream", upstream.url) as server:
        models = f"models: {', '.join(names[:10])} and 2 more at {upstream.url} (default)\n"
        assert models in server.lines
        until(lambda: '"model": "model-0"' in server.log)
        assert not warnings(server)


@shows("models-at-start")
@pytest.mark.parametrize(
    ("status", "keyed", "reported"),
    [
        (404, False, "does the URL end in /v1?"),
        (401, False, "none is configured (status 401): name the variable with its key by key_env"),
        (401, True, "refuses the key that is configured for it (status 401)"),
        (500, False, "does not list its models"),
    ],
)
def test_an_upstream_that_does_not_list_its_models_is_a_warning(status: int, keyed: bool, reported: str) -> None:
    arguments = ["--upstream-key-env", "THE_KEY"] if keyed else []
    with (
        running(Reply(status, {"detail": "No."})) as upstream,
        PenstockServer("--upstream", upstream.url, *arguments, env={"THE_KEY": "sk-mine"}) as server,
    ):
        assert reported in warnings(server)
        assert f"models: * at {upstream.url} (default)\n" in server.lines
        assert "sk-mine" not in server.log


@shows("models-at-start")
def test_a_dead_upstream_is_a_warning_and_holds_nothing_up() -> None:
    with PenstockServer("--upstream", f"http://127.0.0.1:{closed_port()}/v1") as server:
        assert "upstream default does not list its models: The upstream cannot be reached" in warnings(server)
        assert ask(server.base, "GET", "/healthz").status == 200


@shows("models-at-start")
def test_a_silent_upstream_delays_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with PenstockServer("--upstream", url, env={"PENSTOCK_LIMITS_CATALOG_WAIT_S": "1.5"}) as server:
            listening = next(number for number, line in enumerate(server.lines) if "listening on" in line)
            warned = next(number for number, line in enumerate(server.lines) if " WARNING " in line)
            assert listening < warned
            assert "did not list its models within 1.5 s" in warnings(server)


@shows("models-at-start")
def test_every_worker_knows_and_one_prints_it() -> None:
    with running(None, "only") as upstream, PenstockServer("--upstream", upstream.url, "--workers", "2") as server:
        assert len([line for line in server.lines if line.startswith("models:")]) == 1


@shows("only-model", "model-default")
@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_the_only_model_of_the_only_upstream_is_the_default(path: str) -> None:
    with running(None, "text") as upstream, PenstockServer("--upstream", upstream.url) as server:
        body = HELLO if path == "/responses" else {"messages": [{"role": "user", "content": "Hi"}]}
        assert post(server.url, body, path).status == 200
        assert upstream.completion().body["model"] == "text"


@shows("only-model")
def test_it_is_the_model_that_there_is_now() -> None:
    fresh = {"PENSTOCK_LIMITS_CATALOG_FRESH_S": "0.01"}
    with running(None, "text") as upstream, PenstockServer("--upstream", upstream.url, env=fresh) as server:
        assert post(server.url, HELLO).response["model"] == "text"
        upstream.models_reply = listing("reasoning")
        time.sleep(0.05)
        assert post(server.url, HELLO).response["model"] == "reasoning"


@shows("only-model")
def test_the_key_of_a_client_finds_it_where_one_is_wanted() -> None:
    with running(None, "text") as upstream:
        upstream.models_key = "sk-client"
        with PenstockServer("--upstream", upstream.url) as server:
            assert post(server.url, HELLO, authorization="Bearer sk-client").response["model"] == "text"
            assert post(server.url, HELLO, authorization="Bearer sk-other").status == 400


@shows("only-model")
@pytest.mark.parametrize("names", [(), ("text", "reasoning")])
def test_among_none_or_several_there_is_no_default(names: tuple[str, ...]) -> None:
    with running(None, *names) as upstream, PenstockServer("--upstream", upstream.url) as server:
        reply = post(server.url, HELLO)
        assert (reply.status, reply.error["code"]) == (400, "missing_required_parameter")
        assert not upstream.completions


@shows("only-model")
def test_the_setting_wins() -> None:
    with (
        running(None, "reasoning") as upstream,
        PenstockServer("--upstream", upstream.url, "--model", "text") as server,
    ):
        assert post(server.url, HELLO).response["model"] == "text"


TWO = """
[[upstreams]]
name = "first"
url = "{url}"
models = ["text", "listed-*"]

[[upstreams]]
name = "second"
url = "{url}"
models = ["reasoning"]
aliases = {{ "gpt-5" = "reasoning" }}
"""


@shows("unknown-model")
@pytest.mark.parametrize("path", ["/responses", "/chat/completions", "/models/nothing"])
def test_the_error_for_an_unknown_model_lists_the_models(path: str) -> None:
    listed = [f"listed-{number}" for number in range(9)]
    with running(None, *listed, "other") as upstream, PenstockServer(toml=TWO.format(url=upstream.url)) as server:
        body = json.dumps({"model": "nothing", **HELLO}).encode()
        method = "GET" if path.startswith("/models") else "POST"
        reply = ask(server.url, method, path, body if method == "POST" else b"", {"content-type": "application/json"})
        assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "model_not_found", "model")
        assert reply.error["message"] == (
            "The model 'nothing' does not exist or is not served here. Served here: text, reasoning, gpt-5, "
            f"{', '.join(listed[:7])} and 2 more. GET /v1/models lists all."
        )
        assert upstream.url not in reply.error["message"]


@shows("unknown-model")
@pytest.mark.parametrize("stream", [True, False])
def test_a_model_that_the_upstream_does_not_know(stream: bool) -> None:
    with running(None, "text", "reasoning") as upstream, PenstockServer("--upstream", upstream.url) as server:
        reply = post(server.url, {"model": "none-of-them", "stream": stream, **HELLO})
        assert (reply.status, reply.error["code"]) == (404, "model_not_found")
        assert reply.error["message"].endswith("Served here: text, reasoning. GET /v1/models lists all.")


@shows("readiness", "ready-upstreams")
def test_it_is_not_ready_while_no_upstream_answers() -> None:
    dead = f'[[upstreams]]\nname = "dead"\nurl = "http://127.0.0.1:{closed_port()}/v1"\n'
    alive = '[[upstreams]]\nname = "alive"\nurl = "{url}"\n'
    with PenstockServer(toml=dead) as server:
        reply = raw.ask(server.base, "GET", "/readyz")
        assert reply.status == 503
        assert reply.json() == {"status": "unready", "reasons": ["The upstream 'dead' does not answer."]}
        assert ask(server.base, "GET", "/healthz").status == 200
    with running(Reply(404, {})) as upstream, PenstockServer(toml=dead + alive.format(url=upstream.url)) as server:
        assert ask(server.base, "GET", "/readyz").body == {"status": "ready"}
    with PenstockServer(toml="ready_needs_upstream = false\n" + dead) as server:
        assert ask(server.base, "GET", "/readyz").body == {"status": "ready"}


@shows("readiness")
def test_it_is_ready_again_when_one_answers_again() -> None:
    with running(Reply(503, {})) as upstream:
        fresh = {"PENSTOCK_LIMITS_CATALOG_FRESH_S": "0.05"}
        with PenstockServer("--upstream", upstream.url, env=fresh) as server:
            assert raw.ask(server.base, "GET", "/readyz").status == 503
            upstream.models_reply = listing("text")
            until(lambda: raw.ask(server.base, "GET", "/readyz").status == 200)
            until(lambda: "upstream default lists its models again" in server.log)
            assert post(server.url, HELLO).status == 200


@shows("readiness")
def test_asking_often_asks_the_upstream_seldom() -> None:
    with running(None, "text") as upstream, PenstockServer("--upstream", upstream.url) as server:
        for _ in range(20):
            assert ask(server.base, "GET", "/readyz").status == 200
        assert len([one for one in upstream.requests if one.path == "/v1/models"]) <= 2
