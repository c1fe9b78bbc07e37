"""Relays: what the client sends reaches the upstream byte for byte, and the answer comes back so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from live.conftest import Start
from live.test_disconnects import AT_ONCE_S, FLOOD_BYTES, HELD_BYTES_MAX, PIECE_CHARS, WAYS
from requirements import shows
from support import raw
from support.caller import SETTINGS
from support.ignored_headers import ask, post
from support.raw import Connection
from support.scripts import EXPECT_HELLO, OWN_USAGE, chunk
from support.server import PenstockServer
from support.steps import Cut, Expect, Flood, Reply, Script, Send
from support.upstream import ScriptedUpstream
from support.waiting import steady

CHAT = "/chat/completions"
ASKED: dict[str, Any] = {"model": "text", "messages": [{"role": "user", "content": "Hello?"}]}
JSON = {"content-type": "application/json"}
ODD = (
    b'{ "messages":[ {"role": "user","content" : "Gr\\u00fc\xc3\x9fe"}],\n"temperature": 1.50,'
    b' "model"\t: "%s", "x": {"model": "m"} }'
)


@pytest.fixture
def client(server: PenstockServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="sk-client", **SETTINGS) as client:
        yield client


def test_the_package_chats(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    reply = client.chat.completions.create(**ASKED)
    assert reply.choices[0].message.content == EXPECT_HELLO.text
    asked = upstream.completion()
    assert (asked.headers["authorization"], asked.headers["accept"]) == ("Bearer sk-client", "application/json")


def test_the_package_streams(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(**ASKED, stream=True))
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == EXPECT_HELLO.text


def test_the_package_embeds(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model="text", input="Hello?", encoding_format="float")
    assert reply.data[0].embedding == [0.5, -0.5]


@pytest.mark.parametrize("base", ["/v1", ""])
@pytest.mark.parametrize("model", ["text", "reasoning", "call", "shredded", "html_as_200", "no_done_until_close"])
@pytest.mark.parametrize("stream", [False, True])
def test_replies_come_back_as_they_were(
    server: PenstockServer, upstream: ScriptedUpstream, model: str, stream: bool, base: str
) -> None:
    body = ASKED | {"model": model, "stream": stream}
    there = raw.post(upstream.url, body | {"model": model.removesuffix("_until_close")}, CHAT)
    here = raw.post(server.base + base, body, CHAT)
    assert here.headers["x-request-id"]
    assert (here.status, here.body) == (there.status, there.body)
    for header in ("content-type", "content-length"):
        assert here.headers.get(header) == there.headers.get(header)


@pytest.mark.parametrize("name", ["bad_request", "rate_limited", "unauthorized", "server_error", "html_error"])
def test_so_do_errors(server: PenstockServer, upstream: ScriptedUpstream, name: str) -> None:
    """All of it reaches the client, except what the upstream answers about our own key."""
    there = raw.post(upstream.url, ASKED | {"model": name}, CHAT)
    here = raw.post(server.url, ASKED | {"model": name}, CHAT, authorization="Bearer sk-client")
    assert (here.status, here.body) == (there.status, there.body)
    for header in ("content-type", "retry-after", "retry-after-ms"):
        assert here.headers.get(header) == there.headers.get(header)


def test_requests_arrive_as_they_were(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    body = ODD % b"text"
    assert raw.ask(server.url, "POST", CHAT, body, JSON | {"x-internal": "1", "cookie": "a=b"}).status == 200
    asked = upstream.completion()
    assert asked.raw == body
    assert not {"x-internal", "cookie"} & asked.headers.keys()


@shows("relays")
def test_an_alias_is_all_that_changes(start: Start, upstream: ScriptedUpstream) -> None:
    server = start(
        toml=f'[[upstreams]]\nname = "a"\nurl = "{upstream.url}"\nmodels = []\naliases = {{ "gpt-5" = "text" }}\n'
    )
    assert raw.ask(server.url, "POST", CHAT, ODD % b"gpt-5", JSON).status == 200
    assert upstream.completion().raw == ODD % b"text"
    reply = post(server.url, ASKED, CHAT)
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


@shows("relays")
def test_headers_of_connections_stay_where_they_are(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    result = {"connection": "keep-alive, x-hop", "x-hop": "1", "set-cookie": "a=b", "x-ratelimit-limit-tokens": "9"}
    model = upstream.add(
        "talkative", Script((Reply(200, {"a": 1}, result | {"openai-version": "1"}),), Expect(text=None))
    )
    here = raw.post(server.url, ASKED | {"model": model}, CHAT)
    assert not {"x-hop", "set-cookie"} & here.headers.keys()
    assert (here.headers["x-ratelimit-limit-tokens"], here.headers["openai-version"]) == ("9", "1")


def test_each_piece_is_sent_as_it_comes(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    with Connection(server.url) as connection:
        connection.post(ASKED | {"model": "hang_midway", "stream": True}, CHAT)
        status, headers = connection.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert next(connection.writes(headers)).startswith(b"data: ")


@shows("cut-relays")
def test_a_cut_is_seen(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    cut = upstream.add("relayed cut", Script((Send(chunk({"content": "Hel"})), Cut()), Expect(status="failed")))
    for stream in (True, False):
        with Connection(server.url) as connection:
            connection.post(ASKED | {"model": cut, "stream": stream}, CHAT)
            status, headers = connection.head()
            assert status == 200
            with pytest.raises(ConnectionError, match="the body ends"):
                list(connection.writes(headers))
    assert len(upstream.completions) == 2


@shows("leaving")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("model", "stream"), [("hang_midway", True), ("hang", True), ("hang", False)])
def test_a_disconnect_ends_the_call(
    server: PenstockServer, upstream: ScriptedUpstream, model: str, stream: bool, way: str
) -> None:
    connection = Connection(server.url)
    connection.post(ASKED | {"model": model, "stream": stream}, CHAT)
    if model == "hang_midway":
        next(connection.writes(connection.head()[1]))
    received = upstream.completion()
    WAYS[way](connection)
    left = time.monotonic()
    assert received.wait_left() - left < AT_ONCE_S


def test_a_slow_client_holds_back_its_upstream(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    steps = (Flood(chunk({"content": "x" * PIECE_CHARS}), FLOOD_BYTES // PIECE_CHARS), Send(OWN_USAGE))
    model = upstream.add("relayed flood", Script(steps, Expect(text=None)))
    connection = Connection(server.url, receive_bytes=8192)
    connection.post(ASKED | {"model": model, "stream": True}, CHAT)
    connection.head()
    received = upstream.completion()
    assert steady(lambda: received.written, quiet_s=0.5) < HELD_BYTES_MAX
    connection.reset()
    left = time.monotonic()
    assert received.wait_left() - left < AT_ONCE_S


def test_a_server_that_stops_lets_go(upstream: ScriptedUpstream) -> None:
    """Its log, which the fixture of servers would look at as well, has no traceback."""
    with PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": "1"}) as server:
        connection = Connection(server.url)
        connection.post(ASKED | {"model": "hang_midway", "stream": True}, CHAT)
        writes = connection.writes(connection.head()[1])
        next(writes)
    upstream.completion().wait_left()
    with connection, pytest.raises(ConnectionError):
        list(writes)


def test_a_silent_stream_is_cut_in_time(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_IDLE_S="0.3")
    reply = post(server.url, ASKED | {"model": "hang", "stream": True}, CHAT)
    assert (reply.status, reply.error["code"]) == (504, "server_error")


def test_a_local_error_has_our_own_message(start: Start, synthetic: PenstockServer) -> None:
    server = start("--upstream", "http://127.0.0.1:1/v1", PENSTOCK_LIMITS_RETRIES_MAX="0")
    assert post(server.url, ASKED, CHAT).status == 502
    wrong: list[tuple[bytes, str | None]] = [(b"{", None), (b"[]", None), (b'{"model": 1}', "model"), (b"{}", "model")]
    for body, param in wrong:
        reply = ask(server.url, "POST", CHAT, body, JSON)
        assert (reply.status, reply.error["param"]) == (400, param)
    assert ask(server.url, "POST", CHAT, b"{}", {"content-type": "text/plain"}).status == 415
    assert ask(server.url, "GET", CHAT).status == 405
    assert post(server.url, ASKED, CHAT, origin="https://example.com").status == 403
    reply = post(synthetic.url, {"model": "synthetic", "query": "a", "documents": []}, "/rerank")
    assert (reply.status, "/rerank" in reply.error["message"]) == (404, True)


@shows("relays")
def test_keys(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_API_KEYS="sk-ours")
    assert post(server.url, ASKED, CHAT).status == 401
    assert raw.post(server.url, ASKED, CHAT, authorization="Bearer sk-ours").status == 200
    assert "authorization" not in upstream.completion().headers
    reply = post(server.url, ASKED | {"model": "unauthorized"}, CHAT, authorization="Bearer sk-ours")
    assert (reply.status, reply.error["code"]) == (502, "server_error")
