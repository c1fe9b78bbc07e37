"""A server with few file descriptors: clients that find none wait, and are served when others have left."""

from __future__ import annotations

from contextlib import ExitStack

from requirements import shows
from support.raw import Connection, ask
from support.server import COMMAND, PenstockServer
from support.waiting import until

FILES = 48


class SmallServer(PenstockServer):
    command = ("sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh", *COMMAND)


@shows("no-room-for-connections")
def test_clients_wait_for_a_file_descriptor() -> None:
    with SmallServer() as server:
        with ExitStack() as clients:
            for _ in range(FILES):
                clients.enter_context(Connection(server.url))
            until(lambda: "no new connection can be accepted: too many open files" in server.log, 20)
        assert ask(server.url, "GET", "/models").status == 200
