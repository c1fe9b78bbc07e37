"""Bodies over a bare socket: when they are read at all, how they are framed, and what becomes of unread ones."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import pytest

from live.conftest import Start
from live.test_heads import GROWTH_BYTES_MAX, ended, resident, send_all
from requirements import shows
from support.ignored_headers import judged
from support.raw import Connection
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

BODY = json.dumps({"model": "text", "input": "Hello?"}).encode()
JSON = {"content-type": "application/json"}
CHUNKED = JSON | {"transfer-encoding": "chunked", "content-length": ""}
LARGE_BYTES = 60 * 10**6
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
def keyed(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, PENSTOCK_API_KEYS="sk-one")


# The key comes first.


@shows("key-first")
def test_a_body_without_a_key_is_not_held(keyed: PenstockServer) -> None:
    """The client sends it all, whatever is sent meanwhile, and reads the reply at the end."""
    before = resident(keyed)
    connections = [Connection(keyed.url) for _ in range(4)]
    for connection in connections:
        send_all(connection, b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n")
        send_all(connection, b"content-length: %d\r\n\r\n" % LARGE_BYTES)
    for _ in range(LARGE_BYTES // 1_000_000):
        for connection in connections:
            send_all(connection, b" " * 1_000_000)
    assert resident(keyed) - before < GROWTH_BYTES_MAX
    for connection in connections:
        with connection:
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (401, "close")
            assert ended(connection)


REFUSED: dict[str, tuple[int, str, dict[str, str]]] = {
    "no key": (401, "/responses", JSON),
    "another type": (415, "/responses", {"content-type": "text/plain", "authorization": "Bearer sk-one"}),
    "no route": (404, "/nowhere", JSON | {"authorization": "Bearer sk-one"}),
    "another method": (405, "/models", JSON | {"authorization": "Bearer sk-one"}),
}


@shows("key-first")
@pytest.mark.parametrize("name", REFUSED)
def test_no_body_is_asked_for_before_its_head_is_found_good(keyed: PenstockServer, name: str) -> None:
    status, path, headers = REFUSED[name]
    with Connection(keyed.url) as connection:
        connection.send("POST", path, headers=headers | {"expect": "100-continue", "content-length": "1000"})
        assert connection.head()[0] == status
        connection.socket.sendall(b" " * 1_000 + GET)
        connection.file.read()  # the rest of that reply, and none to what came behind


def test_a_body_that_waits_to_be_asked_for(keyed: PenstockServer) -> None:
    headers = JSON | {"authorization": "Bearer sk-one", "expect": "100-continue", "content-length": str(len(BODY))}
    with Connection(keyed.url) as connection:
        for _ in range(2):
            connection.send("POST", "/responses", headers=headers)
            assert connection.head() == (100, {})
            connection.socket.sendall(BODY)
            assert connection.answer().status == 200


def test_a_body_that_is_sent_in_spite_of_expect_continue(keyed: PenstockServer) -> None:
    headers = JSON | {"authorization": "Bearer sk-one", "expect": "100-continue", "content-length": str(len(BODY))}
    with Connection(keyed.url) as connection:
        connection.send("POST", "/responses", BODY, headers)
        assert connection.answer().status == 200


@shows("unread-bodies")
@pytest.mark.parametrize("size", [1, 10_000])
def test_the_rest_of_a_small_body_is_discarded(keyed: PenstockServer, size: int) -> None:
    """It is not taken for the next request, though it looks like one."""
    body = GET * 200
    with Connection(keyed.url) as connection:
        connection.send("POST", "/responses", headers=JSON | {"content-length": str(len(body))})
        assert connection.answer().status == 401
        for start in range(0, len(body), max(size, len(body) // 50)):
            connection.socket.sendall(body[start : start + max(size, len(body) // 50)])
        connection.send("GET", "/models", headers={"x-request-id": "next"})
        answer = connection.answer()
        assert (answer.status, answer.headers["x-request-id"]) == (401, "next")


@shows("unread-bodies")
@pytest.mark.parametrize("headers", [{"content-length": "1000000"}, CHUNKED], ids=["sized", "chunked"])
def test_the_rest_of_a_large_body_closes_the_connection(keyed: PenstockServer, headers: dict[str, str]) -> None:
    with Connection(keyed.url) as connection:
        connection.send("POST", "/responses", headers=JSON | headers)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        send_all(connection, GET)
        assert ended(connection)


# Chunks.


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


MALFORMED: dict[str, tuple[bytes, int]] = {
    "a sign": (b"+5\r\n12345\r\n0\r\n\r\n", 400),
    "a minus": (b"-5\r\n12345\r\n0\r\n\r\n", 400),
    "a prefix": (b"0x5\r\n12345\r\n0\r\n\r\n", 400),
    "an underscore": (b"1_0\r\n0123456789012345\r\n0\r\n\r\n", 400),
    "a space before": (b" 5\r\n12345\r\n0\r\n\r\n", 400),
    "a space behind": (b"5 \r\n12345\r\n0\r\n\r\n", 400),
    "no size": (b"\r\n12345\r\n0\r\n\r\n", 400),
    "an extension without a size": (b";a\r\n12345\r\n0\r\n\r\n", 400),
    "a bare line feed": (b"5\n12345\n0\n\n", 400),
    "a bare carriage return": (b"5\r12345\r\n0\r\n\r\n", 400),
    "a bare line feed in an extension": (b"5;a\nb\r\n12345\r\n0\r\n\r\n", 400),
    "a control character in an extension": (b"5;a\x01\r\n12345\r\n0\r\n\r\n", 400),
    "a size that is too short": (b"4\r\n12345\r\n0\r\n\r\n", 400),
    "a size beyond all numbers": (b"f" * 17 + b"\r\n12345\r\n0\r\n\r\n", 400),
    "a size without end": (b"0" * 100_000, 431),
    "a trailer that is none": (chunk(b"12345") + b"0\r\nx y\r\n\r\n", 400),
    "a trailer with a space before its colon": (chunk(b"12345") + b"0\r\nx : y\r\n\r\n", 400),
    "trailers without end": (chunk(b"12345") + b"0\r\n" + b"x: y\r\n" * 20_000, 431),
    "a long trailer": (chunk(b"12345") + b"0\r\nx: " + b"y" * 100_000, 431),
    "a long extension": (b"5;" + b"x" * 100_000, 431),
    "many extensions": (chunk(b"1", b";" + b"x" * 1_000) * 100, 431),
}


@shows("chunks")
@pytest.mark.parametrize("name", MALFORMED)
def test_chunks_that_are_refused(server: PenstockServer, name: str) -> None:
    data, status = MALFORMED[name]
    with Connection(server.url) as connection:
        connection.send("POST", "/responses", headers=CHUNKED)
        send_all(connection, data + GET)
        answer = connection.answer()
        assert judged(answer.status, answer.headers, answer.writes).status == status
        assert ended(connection)


@shows("chunks")
@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
def test_chunks_with_extensions_and_trailers(server: PenstockServer, size: int) -> None:
    data = chunk(BODY[:5], b";a=b") + chunk(BODY[5:]) + b"0;c\r\nx: y\r\nz: \xe4\r\n\r\n"
    with Connection(server.url) as connection:
        for _ in range(2):
            connection.send("POST", "/responses", headers=CHUNKED)
            for start in range(0, len(data), size):
                connection.socket.sendall(data[start : start + size])
            answer = connection.answer()
            assert judged(answer.status, answer.headers, answer.writes).response["status"] == "completed"


def test_a_client_that_disconnects_in_the_middle_of_a_body(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    for headers in (JSON | {"content-length": "1000"}, CHUNKED):
        with Connection(server.url) as connection:
            connection.send("POST", "/responses", headers=headers)
            connection.socket.sendall(chunk(BODY[:5]))
    with Connection(server.base) as connection:
        connection.send("GET", "/healthz")
        assert connection.answer().status == 200
    assert not upstream.requests


# Time.


QUICK = {
    "PENSTOCK_LIMITS_REQUEST_HEAD_S": "0.4",
    "PENSTOCK_LIMITS_REQUEST_BODY_WAIT_S": "0.6",
    "PENSTOCK_LIMITS_KEEP_ALIVE_S": "0.4",
}
LATE_S = 10.0


@pytest.fixture
def quick(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, **QUICK)


@shows("late-requests")
@pytest.mark.parametrize("data", [b"G", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n", b"\r\n"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_head_that_does_not_come(quick: PenstockServer, data: bytes, number: int) -> None:
    with Connection(quick.base) as connection:
        for _ in range(number):
            connection.send("GET", "/healthz")
            connection.answer()
        connection.socket.sendall(data)
        answer = connection.answer()
        reply = judged(answer.status, answer.headers, answer.writes)
        assert (reply.status, reply.error["code"]) == (408, "request_timeout")
        assert ended(connection)


@shows("late-requests")
def test_a_head_that_comes_letter_by_letter(quick: PenstockServer) -> None:
    with Connection(quick.base) as connection:
        assert _dripped(connection, GET * 100, 0.05) == 408


@shows("late-requests")
@pytest.mark.parametrize("headers", [JSON | {"content-length": "1000"}, CHUNKED], ids=["sized", "chunked"])
@pytest.mark.parametrize("begun", [b"", chunk(BODY[:5])], ids=["not at all", "not further"])
def test_a_body_that_does_not_come(quick: PenstockServer, headers: dict[str, str], begun: bytes) -> None:
    with Connection(quick.url) as connection:
        connection.send("POST", "/responses", headers=headers)
        connection.socket.sendall(begun)
        answer = connection.answer()
        reply = judged(answer.status, answer.headers, answer.writes)
        assert (reply.status, reply.error["code"]) == (408, "request_timeout")
        assert ended(connection)


@shows("late-requests")
def test_the_unread_rest_of_a_body_that_does_not_come(quick: PenstockServer) -> None:
    with Connection(quick.url) as connection:
        connection.send("POST", "/nowhere", headers=JSON | {"content-length": "1000"})
        assert connection.answer().status == 404
        assert ended(connection)


@shows("late-requests")
def test_a_body_that_comes_byte_by_byte(start: Start, upstream: ScriptedUpstream) -> None:
    limits = {"PENSTOCK_LIMITS_REQUEST_BODY_GRACE_S": "0.6", "PENSTOCK_LIMITS_REQUEST_BODY_RATE_MIN": "1000"}
    server = start("--upstream", upstream.url, **limits)
    with Connection(server.url) as connection:
        connection.send("POST", "/responses", headers=JSON | {"content-length": "1000"})
        assert _dripped(connection, b" " * 1_000, 0.05) == 408
    with Connection(server.url) as connection:
        body = BODY + b" " * 6_000
        connection.send("POST", "/responses", headers=JSON | {"content-length": str(len(body))})
        assert _dripped(connection, body, 0.1, 500) == 200


def _dripped(connection: Connection, data: bytes, pause_s: float, size: int = 1) -> int:
    """The status of the reply to what is sent bit by bit. Raises where there is none for long."""
    connection.socket.settimeout(pause_s)
    until = time.monotonic() + LATE_S
    for start in range(0, len(data), size):
        connection.socket.sendall(data[start : start + size])
        with contextlib.suppress(TimeoutError):
            if connection.socket.recv(12, socket.MSG_PEEK):
                break
        assert time.monotonic() < until
    connection.socket.settimeout(LATE_S)
    return int(connection.socket.recv(65_536).split()[1])


@pytest.mark.parametrize("number", [0, 1])
def test_an_idle_connection_is_closed_without_a_reply(quick: PenstockServer, number: int) -> None:
    with Connection(quick.base) as connection:
        for _ in range(number):
            connection.send("GET", "/healthz")
            connection.answer()
        assert ended(connection)


def test_a_reply_that_takes_longer_than_any_request(quick: PenstockServer) -> None:
    with Connection(quick.url) as connection:
        connection.send("POST", "/responses", json.dumps({"model": "slow", "input": "Hello?"}).encode(), JSON)
        assert connection.answer().status == 200


@shows("slow-readers")
def test_a_client_that_does_not_read_its_reply(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_REPLY_STALL_S="0.6")
    with Connection(server.url, receive_bytes=4_096) as connection:
        connection.send(
            "POST", "/responses", json.dumps({"model": "flood", "input": "x", "stream": True}).encode(), JSON
        )
        upstream.completion().wait_left(LATE_S)
    until(lambda: "did not take its reply" in server.log)


@shows("connections")
def test_one_connection_too_many(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_CONNECTIONS_MAX="2")
    with Connection(server.base) as first, Connection(server.base) as second:
        for connection in (first, second):
            connection.send("GET", "/healthz")
            assert connection.answer().status == 200
        with Connection(server.base) as third:
            third.send("GET", "/healthz")
            answer = third.answer()
            reply = judged(answer.status, answer.headers, answer.writes)
            assert (reply.status, reply.error["code"]) == (503, "server_overloaded")
            assert reply.headers["retry-after"] == "1"
            assert ended(third)
        first.send("GET", "/healthz")
        assert first.answer().status == 200
    with Connection(server.base) as again:
        again.send("GET", "/healthz")
        assert again.answer().status == 200
