"""HTTP itself: routes, methods, types, codings, sizes, ids; every error is reported in OpenAI's shape."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import ask, judged, post
from support.raw import Connection
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

JSON = {"content-type": "application/json"}
ASK = {"model": "text", "input": "Hello?"}
BODY = json.dumps(ASK).encode()
BODY_BYTES_MAX = 64 * 1024
WEBSOCKET = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def zstd(data: bytes) -> bytes:
    try:
        library: Any = import_module("compression.zstd")
    except ModuleNotFoundError:
        library = import_module("backports.zstd")
    packed: bytes = library.compress(data)
    return packed


def brotli(data: bytes) -> bytes:
    packed: bytes = import_module("brotli").compress(data)
    return packed


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare_deflate),
    "br": ("br", brotli),
    "zstd": ("zstd", zstd),
    "in capitals": ("GZIP", gzip.compress),
    "one in the other": ("gzip, br", lambda data: brotli(gzip.compress(data))),
    "none": ("identity", bytes),
}


@pytest.fixture
def narrow(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, PENSTOCK_LIMITS_BODY_BYTES_MAX=str(BODY_BYTES_MAX))


@shows("encodings")
@pytest.mark.parametrize("name", CODINGS)
def test_packed_bodies(server: PenstockServer, name: str) -> None:
    coding, pack = CODINGS[name]
    reply = ask(server.url, "POST", "/responses", pack(BODY), JSON | {"content-encoding": coding})
    assert reply.response["status"] == "completed"


@shows("encodings")
@pytest.mark.parametrize("name", CODINGS.keys() - {"none"})
def test_bombs(narrow: PenstockServer, name: str) -> None:
    coding, pack = CODINGS[name]
    bomb = pack(json.dumps(ASK | {"input": "x" * 10_000_000}).encode())
    assert len(bomb) < BODY_BYTES_MAX
    reply = ask(narrow.url, "POST", "/responses", bomb, JSON | {"content-encoding": coding})
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")


def test_codings_that_are_none(server: PenstockServer) -> None:
    unknown = ask(server.url, "POST", "/responses", BODY, JSON | {"content-encoding": "rot13"})
    assert (unknown.status, unknown.error["code"]) == (415, "unsupported_content_encoding")
    damaged = ask(server.url, "POST", "/responses", BODY, JSON | {"content-encoding": "gzip"})
    assert (damaged.status, damaged.error["code"]) == (400, "invalid_content_encoding")


def test_too_large(narrow: PenstockServer) -> None:
    body = json.dumps(ASK | {"input": "x" * BODY_BYTES_MAX}).encode()
    reply = ask(narrow.url, "POST", "/responses", body, JSON)
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")


def test_too_large_and_without_a_length(narrow: PenstockServer) -> None:
    headers = {"transfer-encoding": "chunked", "content-length": ""}
    with Connection(narrow.url) as connection:
        chunk = b"%x\r\n%b\r\n" % (BODY_BYTES_MAX, b" " * BODY_BYTES_MAX)
        connection.send("POST", "/responses", chunk + chunk, JSON | headers)
        answer = connection.answer()
    reply = judged(answer.status, answer.headers, answer.writes)
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")


def test_a_body_in_chunks(server: PenstockServer) -> None:
    headers = JSON | {"transfer-encoding": "chunked", "content-length": ""}
    pieces = [BODY[start : start + 5] for start in range(0, len(BODY), 5)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    assert ask(server.url, "POST", "/responses", chunks, headers).response["status"] == "completed"


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_anything_but_json(server: PenstockServer, upstream: ScriptedUpstream, media: str) -> None:
    reply = ask(server.url, "POST", "/responses", BODY, {"content-type": media})
    assert (reply.status, reply.error["code"]) == (415, "unsupported_content_type")
    assert not upstream.requests


@pytest.mark.parametrize("media", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_by_its_names(server: PenstockServer, media: str) -> None:
    assert ask(server.url, "POST", "/responses", BODY, {"content-type": media}).status == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b"12", b'{"model": "text", "input": "\xff"}', b"{'model': 'text'}", b"\x00",
     b'{"model": "text", "input": "a"} x', b"[" * 100_000, b'{"input": ' * 100_000],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
def test_malformed_bodies(server: PenstockServer, upstream: ScriptedUpstream, body: bytes) -> None:
    reply = ask(server.url, "POST", "/responses", body, JSON)
    assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
    assert not upstream.requests


@pytest.mark.parametrize("path", ["/nowhere", "/responses/resp_1/nothing", "/v1/responses", "//responses", "/chat"])
def test_unknown_routes(server: PenstockServer, path: str) -> None:
    reply = ask(server.url, "POST", path, BODY, JSON)
    assert (reply.status, reply.error["code"]) == (404, "unknown_url")


@pytest.mark.parametrize("base", ["/v1", ""])
def test_known_routes_with_and_without_the_prefix(server: PenstockServer, base: str) -> None:
    assert ask(server.base, "POST", f"{base}/responses", BODY, JSON).status == 200
    assert ask(server.base, "GET", f"{base}/models").status == 200
    assert ask(server.base, "POST", f"{base}/responses?api-version=1", BODY, JSON).status == 200
    assert ask(server.base, "POST", f"{base}/responses/", BODY, JSON).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/responses", "POST"),
        ("DELETE", "/responses", "POST"),
        ("PUT", "/responses", "POST"),
        ("POST", "/models", "GET"),
        ("DELETE", "/models/text", "GET"),
        ("POST", "/healthz", "GET"),
    ],
)
def test_other_methods(server: PenstockServer, method: str, path: str, allow: str) -> None:
    reply = ask(server.url, method, path, BODY, JSON)
    assert (reply.status, reply.error["code"]) == (405, "method_not_allowed")
    assert allow in reply.headers["allow"].split(", ")


@shows("websocket")
@pytest.mark.parametrize("path", ["/responses", "/responses?model=any"])
def test_a_websocket_probe_where_that_is_off(start: Start, upstream: ScriptedUpstream, path: str) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_WEBSOCKET="false")
    with Connection(server.url) as connection:
        connection.send("GET", path, headers=WEBSOCKET)
        answer = connection.answer()
        reply = judged(answer.status, answer.headers, answer.writes)
        assert (reply.status, reply.error["code"]) == (426, "upgrade_required")
    assert post(server.url, ASK).status == 200


@pytest.mark.parametrize("path", ["/models/a%0Ab", "/responses/a%0A", "/a%0Ab", "//"])
def test_an_odd_path_gets_an_error_object(server: PenstockServer, path: str) -> None:
    reply = ask(server.base, "GET", path)
    assert (reply.status, reply.error["type"]) == (404, "invalid_request_error")


def test_the_clients_own_request_id(server: PenstockServer) -> None:
    for stream in (False, True):
        reply = post(server.url, ASK | {"stream": stream}, x_request_id="trace-1.a_b")
        assert reply.headers["x-request-id"] == "trace-1.a_b"
    assert post(server.url, {"input": 1}, x_request_id="trace-2").headers["x-request-id"] == "trace-2"


@pytest.mark.parametrize("given", ["a b", "x" * 129, "<script>"])
def test_an_indecent_request_id_is_replaced(server: PenstockServer, given: str) -> None:
    assert post(server.url, ASK, x_request_id=given).headers["x-request-id"].startswith("req_")


def test_every_request_has_an_id_of_its_own(server: PenstockServer) -> None:
    ids = {post(server.url, ASK).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_one_connection_serves_many_requests(server: PenstockServer) -> None:
    """Errors and streams do not end it."""
    with Connection(server.url) as connection:
        for body in (ASK, ASK | {"stream": True}, {"input": 1}, ASK | {"model": "cut", "stream": True}, ASK):
            connection.post(body)
            answer = connection.answer()
            judged(answer.status, answer.headers, answer.writes)


def test_health(server: PenstockServer) -> None:
    assert ask(server.base, "GET", "/healthz").body == {"status": "ok"}
    assert ask(server.base, "GET", "/readyz").body == {"status": "ready"}
