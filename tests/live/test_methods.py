"""Methods beside GET and POST, pages of other origins, and what the server reports of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

import penstock
from live.conftest import Start
from requirements import shows
from support import raw
from support.ignored_headers import ask, post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

KEY = {"authorization": "Bearer sk-one"}
PAGE = "https://chat.example.com"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-os",
}
ASK = {"model": "text", "input": "Hello?"}


@pytest.fixture
def keyed(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, PENSTOCK_API_KEYS="sk-one", PENSTOCK_STORE="memory://")


def paged(start: Start, upstream: ScriptedUpstream, origins: str) -> PenstockServer:
    return start("--upstream", upstream.url, PENSTOCK_API_KEYS="sk-one", PENSTOCK_ALLOWED_ORIGINS=origins)


def heads(server: PenstockServer, path: str, **headers: str) -> tuple[dict[str, str], dict[str, str]]:
    """The heads of the replies to a HEAD and a GET. The next reply on the connection shows that no body came."""
    with raw.Connection(server.base) as connection:
        connection.send("HEAD", path, headers=KEY | headers)
        status, head = connection.head()
        connection.send("GET", path, headers=KEY | headers)
        answer = connection.answer()
    assert status == answer.status
    return head, answer.headers


@shows("head")
@pytest.mark.parametrize(
    "path",
    ["/", "/health", "/healthz", "/readyz", "/openapi.json", "/v1/models", "/v1/models/text", "/v1/responses/resp_1"],
)
def test_head_is_get_without_a_body(keyed: PenstockServer, path: str) -> None:
    head, got = heads(keyed, path, x_request_id="same", **{"x-request-id": "same"})
    assert head == got
    assert int(head["content-length"]) > 0


@shows("head")
def test_head_of_a_stream_follows_nothing(keyed: PenstockServer) -> None:
    body = json.dumps({"model": "hang", "input": "Hello?", "background": True}).encode()
    made: Any = json.loads(
        raw.ask(keyed.url, "POST", "/responses", body, KEY | {"content-type": "application/json"}).body
    )
    with raw.Connection(keyed.url) as connection:
        path = f"/responses/{made['id']}"
        connection.send("HEAD", f"{path}?stream=true", headers=KEY)
        status, headers = connection.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        connection.send("POST", f"{path}/cancel", headers=KEY)
        assert json.loads(connection.answer().body)["status"] == "cancelled"


@pytest.mark.parametrize(("path", "status"), [("/v1/responses", 405), ("/v1/nowhere", 404)])
def test_head_where_there_is_no_get(keyed: PenstockServer, path: str, status: int) -> None:
    with raw.Connection(keyed.base) as connection:
        connection.send("HEAD", path, headers=KEY)
        assert connection.head()[0] == status
        connection.send("HEAD", path)
        assert connection.head()[0] == 401


@shows("options")
@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/responses", {"POST", "OPTIONS"}),
        ("/responses/resp_1", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("/models/a/b", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_options_wants_no_key(keyed: PenstockServer, path: str, allow: set[str]) -> None:
    answer = raw.ask(keyed.url, "OPTIONS", path)
    assert (answer.status, answer.body) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == allow
    assert answer.headers["x-request-id"]
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@shows("cors")
@pytest.mark.parametrize("origins", [f"https://other.example,{PAGE}", "*"])
def test_a_page_that_is_allowed(start: Start, upstream: ScriptedUpstream, origins: str) -> None:
    server = paged(start, upstream, origins)
    result = "*" if origins == "*" else PAGE
    asked = raw.ask(server.url, "OPTIONS", "/responses", headers=PREFLIGHT)
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, result)
    assert "POST" in asked.headers["access-control-allow-methods"].split(", ")
    assert asked.headers["access-control-allow-headers"] == PREFLIGHT["access-control-request-headers"]
    for authorization, stream, status in (
        ("", False, 401),
        (KEY["authorization"], False, 200),
        (KEY["authorization"], True, 200),
    ):
        got = post(server.url, ASK | {"stream": stream}, origin=PAGE, authorization=authorization)
        assert (got.status, got.headers["access-control-allow-origin"]) == (status, result)
        assert "x-request-id" in got.headers["access-control-expose-headers"].split(", ")
        assert got.headers.get("vary") == (None if result == "*" else "origin")


@shows("cors")
def test_a_page_that_is_not(start: Start, upstream: ScriptedUpstream, keyed: PenstockServer) -> None:
    for server in (keyed, paged(start, upstream, f"https://other.example,{PAGE}")):
        refused = ask(server.url, "OPTIONS", "/responses", headers=PREFLIGHT | {"origin": "https://attacker.example"})
        assert (refused.status, refused.error["code"]) == (403, "forbidden_origin")
        got = post(server.url, ASK, origin="https://attacker.example", **KEY)
        assert got.status == 200
        assert "access-control-allow-origin" not in refused.headers | got.headers


@shows("cors")
def test_a_page_that_is_allowed_while_there_are_no_keys(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_ALLOWED_ORIGINS=PAGE)
    assert post(server.url, ASK, origin=PAGE).status == 200
    assert post(server.url, ASK, origin="https://attacker.example").status == 403
    assert post(server.url, ASK, origin=PAGE, host="attacker.example").status == 403


@shows("cors")
def test_names_of_headers_that_are_none_are_not_repeated(start: Start, upstream: ScriptedUpstream) -> None:
    server = paged(start, upstream, "*")
    headers = PREFLIGHT | {"access-control-request-headers": "a;b"}
    reply = raw.ask(server.url, "OPTIONS", "/responses", headers=headers)
    assert reply.headers["access-control-allow-headers"] == "authorization, content-type"


@shows("root")
@pytest.mark.parametrize("path", ["/", "/v1", "/v1/"])
def test_the_root_describes_the_server(keyed: PenstockServer, path: str) -> None:
    answer = raw.ask(keyed.base, "GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    for word in (f"Penstock {penstock.__version__}", "/v1/responses", "/v1/openapi.json"):
        assert word.encode() in answer.body


@shows("root")
def test_health_by_its_other_name(keyed: PenstockServer) -> None:
    for base in (keyed.base, keyed.url):
        assert ask(base, "GET", "/health").body == ask(base, "GET", "/healthz").body == {"status": "ok"}


@shows("no-host")
def test_a_request_without_a_host_is_not_local(start: Start, server: PenstockServer, keyed: PenstockServer) -> None:
    """As HTTP/1.0 has it; health checks may ask like that."""
    for path, status in (("/v1/models", 403), ("/healthz", 200)):
        assert asked_as_of_old(server, path) == status
    assert asked_as_of_old(keyed, "/v1/models") == 401
    assert asked_as_of_old(keyed, "/v1/models", "authorization: Bearer sk-one") == 200


def asked_as_of_old(server: PenstockServer, path: str, *lines: str) -> int:
    with raw.Connection(server.base) as connection:
        connection.socket.sendall("\r\n".join([f"GET {path} HTTP/1.0", *lines, "", ""]).encode())
        answer = connection.answer()
    assert answer.headers["x-request-id"]
    assert (answer.status == 403) == (b"without a 'Host'" in answer.body)
    return answer.status
