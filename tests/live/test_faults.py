"""Connections to an upstream that fail in every way: plain words for the client, the cause for the log."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support.certificates import Authority
from support.ignored_headers import CheckedReply, post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

Handler = Callable[[socket.socket], Any]
KEY = "sk-canary-0123456789abcdef"
CLASS_NAMES = re.compile(r"[A-Za-z]+Error|Errno|\bssl:|0x|\[|<|://127")


class Odd:
    """A server that does one thing with each connection; its requests are not read further than their heads."""

    def __init__(self, handle: Handler, *, reads: bool = True) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.handle = handle
        self.reads = reads
        self.accepted = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                self.accepted += 1
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    data = connection.recv(65_536) if self.reads else b""
                    while self.reads and b"\r\n\r\n" not in data and not data.startswith(b"\x16"):
                        data += connection.recv(65_536)
                    self.handle(connection)

    def __enter__(self) -> Odd:
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.close()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sends(data: bytes) -> Handler:
    return lambda connection: connection.sendall(data)


def nothing(connection: socket.socket) -> None:
    """It hangs up."""


ANSWER = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CLOSED, NO_HTTP = "did not answer: it closed the connection", "did not answer: what it sent is not HTTP"
ODD: dict[str, tuple[Handler, str, str]] = {
    "closed": (nothing, "http", CLOSED),
    "reset": (reset, "http", CLOSED),
    "half a head": (sends(b"HTTP/1.1 200 OK\r\ncontent-"), "http", CLOSED),
    "not HTTP": (sends(b"220 smtp.example ESMTP\r\n\r\n"), "http", NO_HTTP),
    "an alert of TLS": (
        sends(b"\x15\x03\x01\x00\x02\x02\x46"),
        "http",
        "did not answer: it uses TLS; is its URL https:",
    ),
    "half a body": (sends(HEAD + b"content-length: 99\r\n\r\n{"), "http", "reply was cut: it closed the connection"),
    "no gzip": (
        sends(HEAD + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc"),
        "http",
        "not of the content-encoding",
    ),
    "no TLS": (
        sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "https",
        "cannot be reached: it does not use TLS; is its URL http:",
    ),
    "TLS that ends": (nothing, "https", "The upstream "),
}


def serve(start: Start, url: str, more: str = "") -> PenstockServer:
    return start(
        toml=f'[[upstreams]]\nname = "odd"\nurl = "{url}"\nkey = "{KEY}"\n{more}', PENSTOCK_LIMITS_RETRIES_MAX="0"
    )


def asked(server: PenstockServer, path: str = "/responses") -> CheckedReply:
    return post(server.url, {"model": "m", "input": "Hello?"} if path == "/responses" else {"model": "m"}, path)


def assert_plain(server: PenstockServer, reported: CheckedReply, words: str, port: int) -> None:
    message = reported.error["message"]
    assert reported.status in (502, 504)
    assert words in message
    assert not CLASS_NAMES.search(message), message
    assert str(port) not in message
    assert KEY not in server.log
    assert "Traceback" not in server.log


@shows("plain-faults")
@pytest.mark.parametrize(("handle", "scheme", "words"), ODD.values(), ids=ODD)
def test_every_failure_has_a_plain_text(start: Start, handle: Handler, scheme: str, words: str) -> None:
    with Odd(handle) as odd:
        server = serve(start, f"{scheme}://127.0.0.1:{odd.port}/v1")
        assert_plain(server, asked(server), words, odd.port)


@shows("plain-faults")
def test_a_name_that_there_is_not(start: Start) -> None:
    server = serve(start, "http://no-such-host.invalid:4711/v1")
    assert_plain(server, asked(server), "cannot be reached: its host name cannot be resolved", 4711)
    until(lambda: "no-such-host.invalid:4711" in server.log)
    until(lambda: "gaierror" in server.log)


@shows("plain-faults")
def test_a_port_without_a_server(start: Start) -> None:
    with Odd(nothing) as odd:
        port = odd.port
    server = serve(start, f"http://127.0.0.1:{port}/v1")
    assert_plain(server, asked(server), "cannot be reached: connection refused", port)
    until(lambda: f"http://127.0.0.1:{port}/v1/chat/completions" in server.log)
    until(lambda: "ConnectionRefusedError" in server.log)


@shows("plain-faults")
def test_plain_http_to_a_tls_port(start: Start, tmp_path: Any) -> None:
    with ScriptedUpstream({}, Authority(tmp_path, "ours").server()) as secure:
        server = serve(start, secure.url.replace("https", "http"))
        assert_plain(server, asked(server), "The upstream did not answer: it ", secure.port)


@shows("plain-faults")
def test_an_untrusted_certificate(start: Start, tmp_path: Any) -> None:
    with ScriptedUpstream({}, Authority(tmp_path, "ours").server()) as secure:
        server = serve(start, secure.url)
        assert_plain(server, asked(server), "cannot be reached: its certificate is not trusted", secure.port)


@shows("plain-faults")
@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_it_takes_no_connection_in_time(start: Start, path: str) -> None:
    """Its queue is full, and no process takes anything out of it."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        server = start(
            toml=f'[[upstreams]]\nname = "deaf"\nurl = "http://127.0.0.1:{port}/v1"\n',
            PENSTOCK_LIMITS_CONNECT_S="0.3",
            PENSTOCK_LIMITS_RETRIES_MAX="0",
        )
        reply = asked(server, path)
        for each in waiting:
            each.close()
    assert reply.status == 504
    assert_plain(server, reply, "cannot be reached: no connection in time", port)


@shows("blameless-upstreams")
def test_requests_that_make_an_upstream_disconnect_reject_no_other_client(start: Start) -> None:
    """With every retry they do so; one of another client is answered, and so are those that come after it."""

    def handle(connection: socket.socket) -> None:
        if is_well:
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(ANSWER) + ANSWER)

    with Odd(handle) as odd:
        is_well = False
        toml = f'[[upstreams]]\nname = "up"\nurl = "http://127.0.0.1:{odd.port}/v1"\n'
        server = start(toml=toml, PENSTOCK_API_KEYS="sk-a,sk-b", PENSTOCK_LIMITS_BREAKER_FAILURES="3")
        ask = {"model": "m", "input": "Hello?"}
        for _ in range(3):
            reply = post(server.url, ask, authorization="Bearer sk-a")
            assert reply.error["message"] == "The upstream did not answer: it closed the connection"
        assert "no requests are sent to it" not in server.log
        for text in ("one", "two"):
            post(server.url, ask | {"input": text}, authorization="Bearer sk-a")
        assert "no requests are sent to it" in post(server.url, ask, authorization="Bearer sk-a").error["message"]
        is_well = True
        for key in ("sk-b", "sk-a"):
            assert post(server.url, ask, authorization=f"Bearer {key}").response["status"] == "completed"
