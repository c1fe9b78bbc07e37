"""An upstream that keeps the state: no id becomes another path of it than the route's own."""

from __future__ import annotations

import pytest

from live.conftest import Start
from requirements import shows
from support.raw import Answer, ask
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

ROUTES = [
    "GET /responses/{}",
    "DELETE /responses/{}",
    "POST /responses/{}/cancel",
    "GET /responses/{}/input_items",
    "GET /conversations/{}",
    "POST /conversations/{}",
    "DELETE /conversations/{}",
    "GET /conversations/{}/items",
    "POST /conversations/{}/items",
    "GET /conversations/{}/items/msg_1",
    "GET /conversations/conv_1/items/{}",
    "DELETE /conversations/conv_1/items/{}",
]
"""Every route with an id in it that is passed on."""
NO_IDS = [
    *("..", ".", "%2e%2e", "%2E.", "%252e%252e", "..%2f..", "%2fa", "..%5c..", "a%2fb", "a%5cb", "a%252fb"),
    *(
        "a;b",
        "a%3bb",
        "a%3fb",
        "a%23b",
        "a%0ab",
        "a%0d%0ab",
        "a%00b",
        "a%20b",
        "a%7fb",
        "a@b",
        "%c3%a9",
        "a%",
        "a" * 257,
    ),
]
MODELS = "/v1/models"
"""What every server asks at its start."""
STRAYS = ["/v1/responses/../models", "/v1/responses/x/../../models", "/v1//models/..", "/v1/models/..%2fresponses"]


@pytest.fixture
def front(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start(toml=f'[[upstreams]]\nname = "b"\nurl = "{upstream.url}"\ndialect = "responses"\nstate = "upstream"\n')


def send(front: PenstockServer, method: str, path: str) -> Answer:
    body = b"{}" if method == "POST" else b""
    return ask(front.url, method, path, body, {"content-type": "application/json"} if body else {})


@shows("ids-in-paths")
@pytest.mark.parametrize("route", ROUTES)
def test_what_can_be_no_id_is_refused_here(front: PenstockServer, upstream: ScriptedUpstream, route: str) -> None:
    method, path = route.split(" ")
    for text in NO_IDS:
        reply = send(front, method, path.format(text))
        assert reply.status == 404, text
        assert reply.json()["error"]["type"] == "invalid_request_error"
    assert [one.path for one in upstream.requests if one.path != MODELS] == []


@shows("ids-in-paths")
@pytest.mark.parametrize("route", ROUTES)
def test_an_id_is_passed_on_as_it_is(front: PenstockServer, upstream: ScriptedUpstream, route: str) -> None:
    method, path = route.split(" ")
    for text in ("resp_1", "a.b", "...", "..a", "a..", "A-b:c_9", "r" * 256):
        send(front, method, path.format(text) + "/?include%5B%5D=..%2f")
        assert upstream.requests.pop().path.partition("?")[0] == f"/v1{path.format(text)}"


def test_no_path_leads_beside_the_routes(front: PenstockServer, upstream: ScriptedUpstream) -> None:
    for path in STRAYS:
        assert ask(front.base, "GET", path).status == 404
    assert [one.path for one in upstream.requests if one.path != MODELS] == []
