"""Upstreams that do not serve HTTP as they should: each is a 502 in our shape, and nothing of theirs ends a header."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support import raw
from support.ignored_headers import CheckedReply, judged
from support.server import PenstockServer

MESSAGE = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
BODY = json.dumps(MESSAGE).encode()
JSON = b"content-type: application/json\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)
GOOD = OK + JSON + LENGTH + b"\r\n" + BODY
ENDLESS = 10**9

REPLIES: dict[str, bytes | Iterator[bytes]] = {
    "status 999": b"HTTP/1.1 999 Odd\r\n" + JSON + LENGTH + b"\r\n" + BODY,
    "status 600": b"HTTP/1.1 600 Odd\r\n" + JSON + LENGTH + b"\r\n" + BODY,
    "status 099": b"HTTP/1.1 099 Odd\r\n" + JSON + LENGTH + b"\r\n" + BODY,
    "status 000": b"HTTP/1.1 000 Odd\r\n" + JSON + LENGTH + b"\r\n" + BODY,
    "status 1000": b"HTTP/1.1 1000 Odd\r\n" + JSON + LENGTH + b"\r\n" + BODY,
    "a status that is no number": b"HTTP/1.1 two Odd\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n" + BODY,
    "a 101 without an upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "100 without end": repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "103 without end": repeat(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 100),
    "199 without end, slowly": repeat(b"HTTP/1.1 199 Odd\r\n\r\n"),
    "a NUL in a header": OK + JSON + LENGTH + b"x-ratelimit-a: \x00\r\n\r\n" + BODY,
    "a bare CR in a header": OK + JSON + LENGTH + b"x-ratelimit-a: a\rb: c\r\n\r\n" + BODY,
    "a header without a colon": OK + b"oh\r\n\r\n",
    "a space in a name": OK + JSON + b"x-ratelimit-a b: c\r\n" + LENGTH + b"\r\n" + BODY,
    "two lengths": OK + JSON + LENGTH + b"content-length: 1\r\n\r\n" + BODY,
    "a negative length": OK + JSON + b"content-length: -1\r\n\r\n" + BODY,
    "a long header": OK + JSON + LENGTH + b"x: " + b"y" * 100_000 + b"\r\n\r\n" + BODY,
    "many headers": OK + JSON + LENGTH + b"x: y\r\n" * 10_000 + b"\r\n" + BODY,
    "a header without end": chain([OK + b"x: "], repeat(b"y" * 10_000)),
    "TLS": bytes.fromhex("15030300020228"),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "HTTP/0.9": BODY,
    "nothing": b"",
}
"""What an upstream sends in reply to whatever it is asked, before it closes."""

RELAYED = {
    "a control character in a limit": OK + JSON + LENGTH + b"x-ratelimit-a: a\x01\r\n\r\n" + BODY,
    "a control character in a type": OK + b"content-type: application/json\x0b\r\n" + LENGTH + b"\r\n" + BODY,
    "DEL in a wait": OK + JSON + LENGTH + b"retry-after: 1\x7f\r\n\r\n" + BODY,
    "ESC in a header of OpenAI's": OK + JSON + LENGTH + b"openai-organization: \x1b[31m\r\n\r\n" + BODY,
}
"""What only those see to whom the headers are passed on."""


class Hostile:
    """An upstream that sends the same to all, and reads nothing."""

    def __init__(self) -> None:
        self.reply: bytes | Iterator[bytes] = GOOD
        self.connections = 0
        outer = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.connections += 1
                with contextlib.suppress(OSError):
                    self.request.recv(65_536)
                    pieces = [outer.reply] if isinstance(outer.reply, bytes) else outer.reply
                    for piece in pieces:
                        self.request.sendall(piece)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Connection)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self) -> Hostile:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


@pytest.fixture
def server(start: Start, hostile: Hostile) -> PenstockServer:
    hostile.reply = GOOD
    return start("--upstream", hostile.url, PENSTOCK_LIMITS_RETRIES_MAX="0")


ASKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a response": ("POST", "/responses", {"model": "m", "input": "Hi"}),
    "a stream": ("POST", "/responses", {"model": "m", "input": "Hi", "stream": True}),
    "a relay": ("POST", "/embeddings", {"model": "m", "input": "Hi"}),
    "the models": ("GET", "/models", {}),
}


def asked(server: PenstockServer, what: str) -> CheckedReply:
    method, path, body = ASKED[what]
    data = json.dumps(body).encode() if body else b""
    answer = raw.ask(server.url, method, path, data, {"content-type": "application/json"})
    return judged(answer.status, answer.headers, answer.writes)


@shows("hostile-upstreams")
@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("name", REPLIES)
def test_what_is_no_reply_is_502(server: PenstockServer, hostile: Hostile, name: str, what: str) -> None:
    hostile.reply = REPLIES[name]
    reply = asked(server, what)
    assert (reply.status, reply.error["code"]) == (502, "server_error"), reply
    assert reply.error["message"].isprintable()


@shows("hostile-upstreams")
@pytest.mark.parametrize("name", RELAYED)
def test_headers_that_cannot_be_passed_on(server: PenstockServer, hostile: Hostile, name: str) -> None:
    hostile.reply = RELAYED[name]
    reply = asked(server, "a relay")
    assert (reply.status, reply.error["code"]) == (502, "server_error"), reply


@shows("no-redirects")
@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_a_redirect_is_followed_by_no_one(server: PenstockServer, hostile: Hostile, status: int, what: str) -> None:
    with Hostile() as other:
        location = f"location: {other.url}\r\nset-cookie: a=b\r\n".encode()
        body = b"" if status == 304 else b"content-length: 5\r\n\r\nmoved"
        hostile.reply = b"HTTP/1.1 %d Moved\r\n" % status + location + (body or b"\r\n")
        reply = asked(server, what)
        assert (reply.status, reply.error["code"]) == (502, "server_error"), reply
        assert "ends in /v1" in reply.error["message"]
        assert not {"location", "set-cookie"} & reply.headers.keys()
        assert not other.connections


def test_some_informational_replies_are_fine(server: PenstockServer, hostile: Hostile) -> None:
    hostile.reply = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5 + GOOD
    assert asked(server, "a response").response["status"] == "completed"
