"""Faults of the synthetic model over real connections: what is cut is cut uncleanly."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from live.conftest import Start
from requirements import shows
from support.raw import TIMEOUT_S, Connection, post

ASKED = {"input": "What is a penstock?"}


@shows("synthetic-faults")
@pytest.mark.parametrize(("stream", "events"), [(True, 8), (False, 0)])
def test_a_cut_reply_has_no_end(start: Start, stream: bool, events: int) -> None:
    server = start()
    got = b""
    with Connection(server.url) as connection:
        connection.post({"model": "synthetic?disconnect_at=8", "stream": stream, **ASKED})
        status, headers = connection.head()
        with pytest.raises(ConnectionError, match="the body ends before its end"):
            for piece in connection.writes(headers):
                got += piece
    assert (status, got.count(b"event: ")) == (200, events)
    assert got
    assert post(server.url, {"model": "synthetic", **ASKED}).status == 200


@shows("synthetic-faults")
def test_a_cut_websocket_has_no_end(start: Start) -> None:
    address = f"ws{start().url.removeprefix('http')}/responses"
    messages = []
    with connect(address, additional_headers={"x-penstock-synthetic": "disconnect_at=8"}) as line:
        line.send('{"type":"response.create","model":"synthetic","input":"Hi"}')
        with pytest.raises(ConnectionClosedError) as raised:
            while True:
                messages.append(line.recv(timeout=TIMEOUT_S))
    assert len(messages) == 8
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1011
