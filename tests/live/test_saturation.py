"""An upstream to which all connections are in use: a request that waits too long fails, and the log has it once."""

from __future__ import annotations

from live.conftest import Start
from requirements import shows
from support.ignored_headers import CheckedReply, post
from support.raw import Connection
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

FULL = "upstream default: all 1 connections (limits.upstream_connections_max) are in use"
FREE = "upstream default has free connections again"


def refused(server: PenstockServer, stream: bool) -> CheckedReply:
    return post(server.url, {"model": "text", "input": "Hello?", "stream": stream})


@shows("upstream-saturation", "upstream-full")
def test_no_free_connection_is_a_503_and_one_line(start: Start, upstream: ScriptedUpstream) -> None:
    """A status, for streams too: none has begun by then. The upstream is well, and nothing is tried again."""
    limits = {"UPSTREAM_CONNECTIONS_MAX": "1", "UPSTREAM_CONNECTION_WAIT_S": "0.3", "BREAKER_FAILURES": "1"}
    server = start("--upstream", upstream.url, **{f"PENSTOCK_LIMITS_{name}": value for name, value in limits.items()})
    with Connection(server.url) as first:
        first.post({"model": "hang_midway", "input": "Hello?", "stream": True})
        assert first.head()[0] == 200
        for stream in (False, True):
            result = refused(server, stream)
            assert (result.status, result.headers["retry-after"]) == (503, "1")
            assert result.error["message"] == "The upstream is busy: none of its connections was free within 0.3 s"
            assert result.error["code"] == "server_error"
        relayed = post(server.url, {"model": "m", "input": "Hello?"}, "/embeddings")
        assert (relayed.status, relayed.headers["retry-after"]) == (503, "1")
        assert [received.body["model"] for received in upstream.completions] == ["hang_midway"]
    upstream.completion().wait_left()
    assert post(server.url, {"model": "text", "input": "Hello?"}).response["status"] == "completed"
    until(lambda: FREE in server.log)
    assert (server.log.count(FULL), server.log.count(FREE)) == (1, 1)
    assert "no requests are sent to it" not in server.log
