"""A server with few file descriptors: clients that find none wait, and are served when others have left."""

from __future__ import annotations

from contextlib import ExitStack

from requirements import shows
from support.ignored_headers import post
from support.raw import Connection, ask
from support.server import COMMAND, PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

FILES = 48
NO_ROOM = "Accepting connections fails: too many open files"


class SmallServer(PenstockServer):
    command = ("sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh", *COMMAND)


@shows("no-room-for-connections")
def test_clients_wait_for_a_file_descriptor() -> None:
    with SmallServer() as server:
        with ExitStack() as clients:
            for _ in range(FILES):
                clients.enter_context(Connection(server.url))
            until(lambda: NO_ROOM in server.log, 20)
        assert ask(server.url, "GET", "/models").status == 200
        assert server.log.count(NO_ROOM) == 1


@shows("no-room-for-connections")
def test_an_upstream_is_not_blamed_for_a_lack_of_file_descriptors(upstream: ScriptedUpstream) -> None:
    """Nothing is tried again, and the upstream gets the next request at once."""
    body = {"model": "text", "input": "Hi"}
    with SmallServer("--upstream", upstream.url, env={"PENSTOCK_LIMITS_BREAKER_FAILURES": "1"}) as server:
        with ExitStack() as clients:
            *early, last = [clients.enter_context(Connection(server.url)) for _ in range(6)]
            assert ask(server.url, "GET", "/models").status == 200  # the others are accepted by now
            for _ in range(FILES):
                clients.enter_context(Connection(server.url))
            until(lambda: NO_ROOM in server.log, 20)
            for each in early:  # the first of them take the connections that the server has had before
                each.post(body | {"model": "hang_midway", "stream": True})
                each.head()
            last.post(body)
            refused = last.answer()
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["error"]["message"].startswith("This server has too many open files")
        assert "upstream default failed" not in server.log
        assert post(server.url, body).response["status"] == "completed"
