"""A server that is asked to stop: what runs may end, and what does not is ended in order, before time is up."""

from __future__ import annotations

import json
import signal
import socket
import time

from requirements import shows
from support import oracle, sse
from support.raw import Connection
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

DRAIN_S = 2.0


def is_open(server: PenstockServer) -> bool:
    """Whether somebody new would be let in."""
    host, port = server.base.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


@shows("signals")
def test_a_stream_that_would_outlive_the_server_ends_incomplete(upstream: ScriptedUpstream) -> None:
    with PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": str(DRAIN_S)}) as server:
        with Connection(server.url) as connection:
            connection.post({"model": "hang_midway", "input": "Hello?", "stream": True})
            status, headers = connection.head()
            writes = connection.writes(headers)
            body = next(writes)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            until(lambda: not is_open(server), DRAIN_S / 2)
            body += b"".join(writes)
            took_s = time.monotonic() - began
        frames = [frame for frame in sse.parse(body) if frame.event]
        response = oracle.check_stream([json.loads(frame.data or "") for frame in frames])
        assert (status, response["status"], response["incomplete_details"]) == (200, "incomplete", {"reason": None})
        assert response["output"][0]["status"] == "incomplete"
        assert 0.5 < took_s < DRAIN_S + 1
        upstream.completion().wait_left(1)
        assert server.process.wait(5) == 0, server.log
