"""Faults of the synthetic model over real connections: what is cut is cut uncleanly, and its line states that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from live.conftest import Start
from live.test_logs import access
from requirements import shows
from support.raw import TIMEOUT_S, Connection, post

ASKED = {"input": "What is a penstock?"}
CUT: dict[str, Any] = {"status": 200, "response": "failed", "error": "server_error"}
"""What the access line of a cut reply has."""


@shows("synthetic-faults")
@pytest.mark.parametrize(("stream", "events"), [(True, 8), (False, 0)])
def test_a_cut_reply_has_no_end(start: Start, stream: bool, events: int) -> None:
    server = start("--log-format", "json")
    got = b""
    with Connection(server.url) as connection:
        connection.post({"model": "synthetic?disconnect_at=8", "stream": stream, **ASKED}, x_request_id=f"cut-{stream}")
        status, headers = connection.head()
        with pytest.raises(ConnectionError, match="the body ends before its end"):
            for piece in connection.writes(headers):
                got += piece
    assert (status, got.count(b"event: ")) == (200, events)
    assert got
    assert CUT.items() <= access(server, f"cut-{stream}").items()
    assert post(server.url, {"model": "synthetic", **ASKED}).status == 200


@shows("synthetic-faults")
@pytest.mark.parametrize(
    ("path", "asked"),
    [("/responses", ASKED), ("/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})],
)
def test_a_cut_stream_by_http_1_0_is_reset(start: Start, path: str, asked: dict[str, Any]) -> None:
    """Its end is that of the connection, so that only a reset shows that it is cut."""
    body = json.dumps({"model": "synthetic?disconnect_at=8", "stream": True} | asked)
    fields = f"host: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    got = b""
    with Connection(start().base) as connection:
        connection.socket.sendall(f"POST /v1{path} HTTP/1.0\r\n{fields}{body}".encode())
        with pytest.raises(ConnectionResetError):
            while piece := connection.socket.recv(2**16):
                got += piece
    assert got.count(b"data: ") == 8


@shows("synthetic-faults")
@pytest.mark.parametrize("events", [8, 0])
def test_a_cut_websocket_has_no_end(start: Start, events: int) -> None:
    """It has no close frame, which a client may take for an end in order."""
    server = start("--log-format", "json")
    messages = []
    with connect(
        f"ws{server.url.removeprefix('http')}/responses",
        additional_headers={"x-penstock-synthetic": f"disconnect_at={events}", "x-request-id": f"cut-{events}"},
    ) as client:
        client.send('{"type":"response.create","model":"synthetic","input":"Hi"}')
        with pytest.raises(ConnectionClosedError) as raised:
            while True:
                messages.append(client.recv(timeout=TIMEOUT_S))
    assert len(messages) == events
    assert raised.value.rcvd is None
    assert CUT.items() <= access(server, f"cut-{events}", "WEBSOCKET").items()


@shows("synthetic-faults")
@pytest.mark.parametrize(("path", "field"), [("/embeddings", "input"), ("/tokenize", "prompt")])
def test_a_cut_reply_that_is_no_response_is_not_logged_as_one(start: Start, path: str, field: str) -> None:
    server = start("--log-format", "json")
    with Connection(server.url) as connection:
        connection.post({"model": "synthetic?disconnect_at=0", field: "Hi"}, path, x_request_id=path[1:])
        _, headers = connection.head()
        with pytest.raises(ConnectionError):
            list(connection.writes(headers))
    reply = access(server, path[1:])
    assert reply["error"] == "server_error"
    assert "response" not in reply
