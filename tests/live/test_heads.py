"""Heads over a bare socket: what is no HTTP, what is too much of it, and requests that come before they are due.

Whatever is wrong is reported in OpenAI's shape with a request id, and the connection closes: nothing behind it is read.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import judged
from support.raw import Answer, Connection
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
POST = b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
TLS_HELLO = bytes.fromhex("160301020001")
MANY = b"".join(b"x-%d: y\r\n" % number for number in range(200))
GROWTH_BYTES_MAX = 30 * 10**6
FLOOD_BYTES = 22 * 10**6

MALFORMED: dict[str, bytes] = {
    "no method": b"\r\n\r\n HTTP/1.1\r\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nhost: a\r\n\r\n",
    "an unknown method": b"BREW / HTTP/1.1\r\nhost: a\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nhost: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
    "a control character in the target": b"GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n",
    "a NUL in the target": b"GET /\x00 HTTP/1.1\r\nhost: a\r\n\r\n",
    "no ASCII in the target": b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
    "a target that is no path": b"GET healthz HTTP/1.1\r\nhost: a\r\n\r\n",
    "the target of a proxy": b"CONNECT localhost:80 HTTP/1.1\r\nhost: a\r\n\r\n",
    "the target of another protocol": b"GET ftp://localhost/healthz HTTP/1.1\r\nhost: a\r\n\r\n",
    "a user in the target": b"GET http://a@localhost/healthz HTTP/1.1\r\nhost: a\r\n\r\n",
    "another version": b"GET /healthz HTTP/1.9\r\nhost: a\r\n\r\n",
    "another protocol": b"GET /healthz HTCPCP/1.1\r\nhost: a\r\n\r\n",
    "TLS": TLS_HELLO,
    "bare line feeds": b"GET /healthz HTTP/1.1\nhost: a\n\n",
    "a bare carriage return": b"GET /healthz HTTP/1.1\r\nhost: a\rb: c\r\n\r\n",
    "a space before a colon": b"GET /healthz HTTP/1.1\r\nhost : a\r\n\r\n",
    "a space in a name": b"GET /healthz HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n",
    "a header without a name": b"GET /healthz HTTP/1.1\r\nhost: a\r\n: z\r\n\r\n",
    "a header without a colon": b"GET /healthz HTTP/1.1\r\nhost: a\r\nx\r\n\r\n",
    "a header on two lines": b"GET /healthz HTTP/1.1\r\nhost: a\r\n b\r\n\r\n",
    "a control character in a header": b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: \x01\r\n\r\n",
    "a NUL in a header": b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
    "a list of hosts": b"GET /healthz HTTP/1.1\r\nhost: localhost, a\r\n\r\n",
    "a host with a path": b"GET /healthz HTTP/1.1\r\nhost: localhost/a\r\n\r\n",
    "two lengths": POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
    "the same length twice": POST + b"content-length: 5\r\ncontent-length: 5\r\n\r\n",
    "a list of lengths": POST + b"content-length: 5, 5\r\n\r\n",
    "a length with a sign": POST + b"content-length: +5\r\n\r\n",
    "a negative length": POST + b"content-length: -5\r\n\r\n",
    "a length in hexadecimal digits": POST + b"content-length: 0x5\r\n\r\n",
    "an empty length": POST + b"content-length:\r\n\r\n",
    "a length beyond all numbers": POST + b"content-length: " + b"9" * 30 + b"\r\n\r\n",
    "a length and chunks": POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "chunks that are not last": POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "nearly chunks": POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}

REFUSED: dict[str, tuple[bytes, int, str]] = {
    **{name: (data, 400, "malformed_request") for name, data in MALFORMED.items()},
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 505, "malformed_request"),
    "HTTP/2": (b"GET /healthz HTTP/2.0\r\nhost: a\r\n\r\n", 505, "malformed_request"),
    "another coding": (
        POST + b"transfer-encoding: gzip, chunked\r\n\r\n",
        501,
        "unsupported_transfer_encoding",
    ),
    "a long target": (b"GET /" + b"x" * 8_192 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414, "uri_too_long"),
    "a target without end": (b"GET /" + b"x" * 1_000_000, 414, "uri_too_long"),
    "a long query": (b"GET /?" + b"x" * 8_192 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414, "uri_too_long"),
    "many headers": (GET[:-2] + MANY + b"\r\n", 431, "request_header_fields_too_large"),
    "a long header": (GET[:-2] + b"x: " + b"y" * 17_000 + b"\r\n\r\n", 431, "request_header_fields_too_large"),
    "a long name": (GET[:-2] + b"x" * 17_000 + b": y\r\n\r\n", 431, "request_header_fields_too_large"),
    "a header without end": (GET[:-2] + b"x: " + b"y" * 1_000_000, 431, "request_header_fields_too_large"),
    "a long head": (GET[:-2] + (b"x: " + b"y" * 9_000 + b"\r\n") * 8 + b"\r\n", 431, "request_header_fields_too_large"),
    "empty lines without end": (b"\r\n" * 100_000, 431, "request_header_fields_too_large"),
}


def send_all(connection: Connection, data: bytes) -> None:
    """Send what may be more than the server takes before it answers."""
    with contextlib.suppress(ConnectionError):
        connection.socket.sendall(data)


def ended(connection: Connection) -> bool:
    """Whether the server has closed, and has sent nothing more."""
    return connection.file.read(1) == b""


@shows("malformed", "heads", "http-bounds")
@pytest.mark.parametrize("pieces", ["whole", "in pieces"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_head_that_is_refused(server: PenstockServer, name: str, pieces: str) -> None:
    data, status, code = REFUSED[name]
    size = len(data) if pieces == "whole" else max(1, len(data) // 7)
    with Connection(server.base) as connection:
        for start in range(0, len(data), size):
            send_all(connection, data[start : start + size])
        send_all(connection, GET)
        answer = connection.answer()
        reply = judged(answer.status, answer.headers, answer.writes)
        assert (reply.status, reply.error["code"]) == (status, code), reply.error
        assert reply.headers["connection"] == "close"
        assert ended(connection)


SERVED: dict[str, bytes] = {
    "as usual": GET,
    "after empty lines": b"\r\n\r\n\r\n" + GET,
    "by its whole address": b"GET http://localhost/healthz HTTP/1.1\r\nhost: other.example\r\n\r\n",
    "with a fragment": b"GET /healthz#here HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "with encoded letters": b"GET /%68ealthz?a=%00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "with an upgrade to HTTP/2": GET[:-2] + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
    b"http2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    "with other letters in a header": GET[:-2] + b"x: \xc3\xa4\xff\r\n\r\n",
    "with headers as long as they may be": GET[:-2] + b"x: " + b"y" * 16_000 + b"\r\n\r\n",
    "with as many headers as there may be": GET[:-2] + b"x: y\r\n" * 99 + b"\r\n",
}


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("name", SERVED)
def test_a_head_in_pieces(server: PenstockServer, name: str, size: int) -> None:
    data = SERVED[name]
    size = max(size, len(data) // 50)
    with Connection(server.base) as connection:
        for start in range(0, len(data), size):
            connection.socket.sendall(data[start : start + size])
        assert connection.answer().status == 200
        connection.socket.sendall(data)
        assert connection.answer().status == 200


@pytest.mark.parametrize(("path", "status"), [("/v1/models/a%00b", 404), ("/v1%2Fresponses", 405), ("/%2e%2e/x", 404)])
def test_encoded_characters_of_paths(server: PenstockServer, path: str, status: int) -> None:
    with Connection(server.base) as connection:
        connection.send("GET", path)
        answer = connection.answer()
        assert judged(answer.status, answer.headers, answer.writes).status == status


def test_the_host_of_the_target_counts(server: PenstockServer) -> None:
    with Connection(server.base) as connection:
        connection.socket.sendall(b"GET http://attacker.example/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.answer().status == 403


def test_options_of_the_whole_server(server: PenstockServer) -> None:
    with Connection(server.base) as connection:
        connection.socket.sendall(b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.head()[0] == 204


@shows("upgrades")
@pytest.mark.parametrize("websocket", ["true", "false"])
@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "TLS/1.0"])
def test_a_post_with_an_upgrade_is_answered(
    start: Start, upstream: ScriptedUpstream, upgrade: str, websocket: str
) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_WEBSOCKET=websocket)
    with Connection(server.url) as connection:
        for _ in range(2):
            connection.post({"model": "text", "input": "Hello?"}, connection="Upgrade", upgrade=upgrade)
            answer = connection.answer()
            reply = judged(answer.status, answer.headers, answer.writes)
            assert reply.status == (426 if upgrade == "websocket" else 200)


# Requests that come before they are due.


def resident(server: PenstockServer) -> int:
    """Bytes of memory, where the system reports them."""
    statm = Path(f"/proc/{server.process.pid}/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") if statm.exists() else 0


def test_blanks_around_a_value_are_no_part_of_it(server: PenstockServer) -> None:
    """RFC 9110, section 5.5. Proxies and people leave some."""
    with Connection(server.base) as connection:
        for value in (b"mine", b"  mine", b"mine \t ", b"mine\t"):
            connection.socket.sendall(GET[:-2] + b"x-request-id:" + value + b"\r\nx-empty: \r\n\r\n")
            assert connection.answer().headers["x-request-id"] == "mine"


@shows("pipelined")
def test_pipelined_requests_are_answered_in_order(server: PenstockServer) -> None:
    lines = [f"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-request-id: {number}\r\n\r\n" for number in range(3_000)]
    lines[7:8] = [_post_in_chunks(), lines[7]]
    with Connection(server.base) as connection:
        connection.socket.sendall("".join(lines).encode())
        ids = [connection.answer().headers["x-request-id"] for _ in lines]
    assert [int(given) for given in ids if given.isdecimal()] == list(range(3_000))
    assert len(ids) == 3_001


def _post_in_chunks() -> str:
    body = json.dumps({"model": "text", "input": "Hello?"})
    return f"{POST.decode()}transfer-encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n"


@shows("pipelined")
@pytest.mark.parametrize("path", ["/v1/models", "/healthz"])
def test_pipelined_requests_wait_in_the_socket(start: Start, upstream: ScriptedUpstream, path: str) -> None:
    """Without a key. The client sends for as long as anything is taken, and reads nothing."""
    server = start("--upstream", upstream.url, PENSTOCK_API_KEYS="sk-one")
    flood = f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() * 1_000
    with Connection(server.base) as connection:
        connection.send("GET", "/healthz")
        connection.answer()
        before = resident(server)
        connection.socket.settimeout(2.0)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < FLOOD_BYTES:
                sent += connection.socket.send(flood)
        assert resident(server) - before < GROWTH_BYTES_MAX
        assert sent < FLOOD_BYTES


@shows("pipelined")
def test_pipelined_requests_wait_for_a_stream(server: PenstockServer) -> None:
    """While the reply to the first is still being made, the look-out for a client that leaves must not read on."""
    body = json.dumps({"model": "hang", "input": "Hello?", "stream": True}).encode()
    head = POST + b"content-length: %d\r\n\r\n" % len(body)
    with Connection(server.base) as connection:
        before = resident(server)
        connection.socket.sendall(head + body)
        connection.socket.settimeout(2.0)
        with contextlib.suppress(TimeoutError):
            for _ in range(FLOOD_BYTES // len(GET) // 1_000):
                connection.socket.sendall(GET * 1_000)
        assert resident(server) - before < GROWTH_BYTES_MAX


def test_a_connection_that_is_to_be_closed_is(server: PenstockServer) -> None:
    with Connection(server.base) as connection:
        connection.socket.sendall(GET[:-2] + b"connection: close\r\n\r\n" + GET)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert ended(connection)


def of_old(server: PenstockServer, body: Mapping[str, object]) -> Answer:
    """The reply to a request by HTTP/1.0, whose clients know no chunks."""
    data = json.dumps(body).encode()
    with Connection(server.base) as connection:
        head = POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"content-length: %d\r\n\r\n" % len(data)
        connection.socket.sendall(head + data)
        status, headers = connection.head()
        return Answer(status, headers, [connection.file.read()])


def test_http_1_0_knows_no_chunks(server: PenstockServer) -> None:
    answer = of_old(server, {"model": "text", "input": "Hello?", "stream": True})
    assert "transfer-encoding" not in answer.headers
    reply = judged(answer.status, answer.headers, answer.writes)
    assert reply.response["status"] == "completed"
