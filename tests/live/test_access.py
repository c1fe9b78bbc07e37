"""Who may ask: keys, the client's own bearer, and while there are no keys, this machine alone."""

from __future__ import annotations

import os

import openai
import pytest

from live.conftest import Start
from support.caller import CALLERS
from support.ignored_headers import ask, post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

ASK = {"model": "text", "input": "Hello?"}
KEYS = {"PENSTOCK_API_KEYS": "sk-one,sk-two"}


@pytest.fixture
def keyed(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, **KEYS)


@pytest.fixture
def with_upstream_key(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, "--upstream-key-env", "CLOUD_KEY", CLOUD_KEY="sk-cloud")


@pytest.mark.parametrize("kind", CALLERS)
def test_the_right_key_opens(keyed: PenstockServer, kind: str) -> None:
    for key in ("sk-one", "sk-two"):
        with CALLERS[kind](keyed.url, key) as caller:
            assert caller.create(**ASK).output_text == "Hello, world"


@pytest.mark.parametrize("kind", CALLERS)
def test_another_key_does_not(keyed: PenstockServer, upstream: ScriptedUpstream, kind: str) -> None:
    with CALLERS[kind](keyed.url, "sk-three") as caller:
        with pytest.raises(openai.AuthenticationError) as caught:
            caller.create(**ASK)
        assert (caught.value.code, caught.value.type) == ("invalid_api_key", "invalid_request_error")
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert caught.value.response.headers["www-authenticate"] == "Bearer"
    assert not upstream.requests


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic sk-one", "sk-one", "Bearer sk-one x", "Bearer ä"]
)
def test_what_is_no_key(keyed: PenstockServer, upstream: ScriptedUpstream, authorization: str) -> None:
    reply = post(keyed.url, ASK, authorization=authorization)
    assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    assert not upstream.requests


@pytest.mark.parametrize("path", ["/responses", "/models", "/models/text", "/nowhere"])
def test_nothing_but_health_is_open(keyed: PenstockServer, path: str) -> None:
    assert ask(keyed.url, "GET", path).status == 401
    for open_path in ("/healthz", "/readyz"):
        assert ask(keyed.base, "GET", open_path).status == ask(keyed.url, "GET", open_path).status == 200


def test_keys_stay_out_of_sight(keyed: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = post(keyed.url, ASK, authorization="Bearer sk-one")
    assert reply.status == 200
    assert "sk-one" not in keyed.log + repr(reply)


def test_a_key_of_the_server_is_not_passed_on(keyed: PenstockServer, upstream: ScriptedUpstream) -> None:
    """It opens this server; what it would open elsewhere is not looked at."""
    post(keyed.url, ASK, authorization="Bearer sk-one")
    assert "authorization" not in upstream.completion().headers


def test_the_clients_own_bearer_is_passed_on(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    post(server.url, ASK, authorization="Bearer sk-mine")
    assert upstream.completion().headers["authorization"] == "Bearer sk-mine"
    post(server.url, ASK)
    assert "authorization" not in upstream.completion(1).headers
    ask(server.url, "GET", "/models", headers={"authorization": "Bearer sk-mine"})
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-mine"


def test_the_upstreams_own_key_wins(with_upstream_key: PenstockServer, upstream: ScriptedUpstream) -> None:
    post(with_upstream_key.url, ASK, authorization="Bearer sk-mine")
    assert upstream.completion().headers["authorization"] == "Bearer sk-cloud"


def test_whose_fault_a_refused_key_is(
    server: PenstockServer, with_upstream_key: PenstockServer, upstream: ScriptedUpstream
) -> None:
    refused = {"model": "unauthorized", "input": "Hello?"}
    own = post(server.url, refused, authorization="Bearer sk-mine")
    assert (own.status, own.error["code"]) == (401, "invalid_api_key")
    configured = post(with_upstream_key.url, refused, authorization="Bearer sk-mine")
    assert (configured.status, configured.error["code"]) == (502, "server_error")
    assert len(upstream.completions) == 2
    for result in (own, configured):
        assert "sk-" not in result.error["message"]


PORT = ":1"
FOREIGN = {
    "another host": {"host": "attacker.example"},
    "a host that looks like ours": {"host": "localhost.attacker.example"},
    "a page elsewhere": {"origin": "https://attacker.example"},
    "a page from nowhere": {"origin": "null"},
}
LOCAL = {
    "a name": {"host": "localhost:9"},
    "an address": {"host": "127.0.0.1"},
    "version 6": {"host": "[::1]:9"},
    "a local page": {"origin": "http://localhost:5173"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_foreign_pages_and_names_are_refused(
    server: PenstockServer, keyed: PenstockServer, upstream: ScriptedUpstream, headers: dict[str, str]
) -> None:
    reply = post(server.url, ASK, **headers)
    assert (reply.status, reply.error["code"]) == (403, "forbidden_host")
    assert not upstream.requests
    assert post(keyed.url, ASK, authorization="Bearer sk-one", **headers).status == 200


@pytest.mark.parametrize("headers", LOCAL.values(), ids=LOCAL)
def test_this_machine_is_not_foreign(server: PenstockServer, headers: dict[str, str]) -> None:
    assert post(server.url, ASK, **headers).status == 200


def test_hosts_by_setting(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_ALLOWED_HOSTS="chat.example.com")
    assert post(server.url, ASK, host="chat.example.com", origin="https://chat.example.com").status == 200
    assert post(server.url, ASK, host="other.example.com").status == 403


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")
def test_all_of_it_holds_with_workers(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, "--workers", "2", **KEYS)
    assert {post(server.url, ASK).status for _ in range(4)} == {401}
    assert {post(server.url, ASK, authorization="Bearer sk-two").status for _ in range(8)} == {200}
